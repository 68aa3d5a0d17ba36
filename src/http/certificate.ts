/** What is wrong with the certificate of a server, in words, and what helps. */
export interface CertificateProblem {
  readonly says: string;
  readonly hint: string;
}

const UNTRUSTED: CertificateProblem = {
  says: 'this machine does not trust the certificate of the server',
  hint: 'Set NODE_EXTRA_CA_CERTS in the environment to the file (PEM) with the CA certificates of the server, or of the proxy before it, then run this again.',
};
const OUT_OF_DATE: CertificateProblem = {
  says: 'the certificate of the server is not valid at this time',
  hint: 'Set the clock of this machine (timedatectl set-ntp true); if it is right, the server needs a new certificate.',
};
const OF_ANOTHER: CertificateProblem = {
  says: 'the certificate of the server is that of another name',
  hint: 'Check the address; a proxy or a login page may have answered in its place.',
};

/** By the codes of Node and of OpenSSL (https://nodejs.org/api/tls.html#x509-certificate-error-codes). */
const PROBLEMS = new Map<string, CertificateProblem>(
  Object.entries({
    DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
    SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
    UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
    CERT_UNTRUSTED: UNTRUSTED,
    CERT_HAS_EXPIRED: OUT_OF_DATE,
    CERT_NOT_YET_VALID: OUT_OF_DATE,
    ERR_TLS_CERT_ALTNAME_INVALID: OF_ANOTHER,
    HOSTNAME_MISMATCH: OF_ANOTHER,
  }),
);

/** What an error of a connection says about the certificate; undefined where it is of another kind. @param code of the error */
export function certificateProblem(code: string | undefined): CertificateProblem | undefined {
  return PROBLEMS.get(code ?? '');
}
