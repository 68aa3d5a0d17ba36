import { ProtobufError } from './protobuf.js';

/** Calls that may nest; exporters nest a handful, and a runtime that follows them by recursion ends with its stack. */
const DEEPEST_CHAIN = 64;
/** Nodes once every call is replaced by its body, as runtimes do; functions that call each other twice double it. */
const MOST_NODES = 1_000_000;

/** Which model-local functions a graph calls, to refuse chains and expansions that crash runtimes before one sees them. */
export class FunctionCalls {
  /** Stands for the main graph; no function has this key, since theirs hold a separator. */
  readonly main = 'main';
  private readonly callees = new Map<string, Map<string, number>>();
  private readonly defined = new Set<string>();

  /** Notes a function and gives the key under which its nodes are added. */
  define(domain: string, name: string): string {
    const key = keyOf(domain, name);
    this.defined.add(key);
    return key;
  }

  /** Notes a node of a function or of the main graph. */
  add(caller: string, domain: string, operator: string): void {
    const counts = this.callees.get(caller) ?? new Map<string, number>();
    this.callees.set(caller, counts);
    const key = keyOf(domain, operator);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }

  /** @throws ProtobufError where functions call themselves, nest too deep or grow too large. */
  check(): void {
    const expanded = new Map<string, { nodes: number; depth: number }>();
    const open = new Set<string>();
    const visit = (key: string): { nodes: number; depth: number } => {
      const known = expanded.get(key);
      if (known) return known;
      if (open.has(key)) throw new ProtobufError('a function that calls itself');
      if (open.size > DEEPEST_CHAIN) throw chainTooDeep();
      open.add(key);
      const total = { nodes: 0, depth: 0 };
      for (const [callee, count] of this.callees.get(key) ?? []) {
        const inner = this.defined.has(callee) ? visit(callee) : { nodes: 1, depth: -1 };
        total.nodes += count * inner.nodes;
        total.depth = Math.max(total.depth, inner.depth + 1);
      }
      open.delete(key);
      if (total.depth > DEEPEST_CHAIN) throw chainTooDeep();
      if (total.nodes > MOST_NODES) throw new ProtobufError(`functions that grow to more than ${MOST_NODES} nodes`);
      expanded.set(key, total);
      return total;
    };
    for (const key of [this.main, ...this.defined]) visit(key);
  }
}

function chainTooDeep(): ProtobufError {
  return new ProtobufError(`functions that call each other more than ${DEEPEST_CHAIN} deep`);
}

function keyOf(domain: string, name: string): string {
  return `${domain === 'ai.onnx' ? '' : domain}\0${name}`;
}
