import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { freePort } from './free-port.js';

/** The user that a fresh server with authentication has. */
export const ADMIN = { MLFLOW_TRACKING_USERNAME: 'admin', MLFLOW_TRACKING_PASSWORD: 'of-a-test-alone-1234' };

/** `mlflow server` on loopback with authentication, its records in a folder. */
export class RealMlflow {
  private constructor(
    readonly url: string,
    private readonly child: ChildProcess,
  ) {}

  /**
   * @param python of the environment that has MLflow
   * @param artifacts where files of runs are kept: in the folder, and handed out, if nothing is said
   */
  static async start(
    python: string,
    folder: string,
    artifacts: readonly string[] = ['--artifacts-destination', join(folder, 'files')],
  ): Promise<RealMlflow> {
    const port = await freePort();
    const settings = join(folder, 'auth.ini');
    writeFileSync(
      settings,
      `[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///${folder}/auth.db\nadmin_username = admin\nadmin_password = ${ADMIN.MLFLOW_TRACKING_PASSWORD}\nauthorization_function = mlflow.server.auth:authenticate_request_basic_auth\n`,
    );
    const places = ['--backend-store-uri', `sqlite:///${folder}/records.db`, ...artifacts];
    const child = spawn(
      join(dirname(python), 'mlflow'),
      ['server', '--app-name', 'basic-auth', '--host', '127.0.0.1', '--port', `${port}`, '--workers', '1', ...places],
      {
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...process.env,
          MLFLOW_AUTH_CONFIG_PATH: settings,
          MLFLOW_FLASK_SERVER_SECRET_KEY: 'of a test',
          MLFLOW_DISABLE_TELEMETRY: 'true',
          MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false',
        },
      },
    );
    let said = '';
    await new Promise<void>((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream?.setEncoding('utf8').on('data', (text: string) => {
          said += text;
          if (said.includes('Application startup complete')) resolve();
        });
      }
      child.once('exit', () => reject(new Error(`mlflow server ended:\n${said}`)));
    });
    return new RealMlflow(`http://127.0.0.1:${port}`, child);
  }

  stop(): void {
    if (this.child.pid !== undefined) process.kill(-this.child.pid, 'SIGKILL');
  }
}
