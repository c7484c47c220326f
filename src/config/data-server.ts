/** Where the data repository's server is, here and for guests. */
export interface DataServerConfig {
  /** Where it stores, when `modosu up` runs it on this machine; null: an external one. */
  readonly directory: string | null;
  readonly host: string;
  /** 0: not known yet. */
  readonly port: number;
  /** Name or address of this machine as guests know it; null: not given. */
  readonly guestHost: string | null;
  readonly certificateFile: string | null;
  readonly keyFile: string | null;
  /** An external server instead. */
  readonly externalUrl: string | null;
  /** The same storage behind an endpoint that lets things be removed; null: there is none. */
  readonly maintenanceUrl: string | null;
  /** Null: not known yet. */
  readonly addresses: DataAddresses | null;
}

type Given = Omit<DataServerConfig, 'addresses' | 'directory'>;

export interface DataAddresses {
  /** As this machine reaches it; without a slash at its end. */
  readonly url: string;
  readonly guestUrl: string;
}

/** QEMU's user-mode networking calls the host's loopback so. */
const USER_MODE_HOST = '10.0.2.2';

const isIpv4Loopback = (host: string): boolean => host === 'localhost' || /^127(?:\.\d{1,3}){3}$/.test(host);
const isLoopback = (host: string): boolean => isIpv4Loopback(host) || host === '::1' || host === '[::1]';
const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::';

const EXPOSED = 'must begin with https:// unless it is on loopback: passwords go over it';
function isExposed(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !isLoopback(hostname);
}

/** What contradicts itself, each beginning with the variable to correct. */
export function dataServerProblems({ host, guestHost, certificateFile, keyFile, externalUrl, maintenanceUrl }: Given): readonly string[] {
  if (externalUrl !== null) {
    return [
      ...(isExposed(externalUrl) ? [`MODOSU_DATA_URL: ${EXPOSED}`] : []),
      ...(keyFile === null ? [] : ['MODOSU_DATA_TLS_KEY_FILE: belongs to the server that MODOSU_DATA_URL replaces']),
      ...(maintenanceUrl !== null && isExposed(maintenanceUrl) ? [`MODOSU_DATA_MAINTENANCE_URL: ${EXPOSED}`] : []),
      ...(maintenanceUrl !== null && new URL(maintenanceUrl).origin === new URL(externalUrl).origin
        ? ['MODOSU_DATA_MAINTENANCE_URL: must be another endpoint than MODOSU_DATA_URL: guests come in there, and must not be able to remove anything']
        : []),
    ];
  }
  const problems: string[] = [];
  if (maintenanceUrl !== null) {
    problems.push('MODOSU_DATA_MAINTENANCE_URL: belongs to MODOSU_DATA_URL; the storage of the server that `modosu up` runs is reached without it');
  }
  if ((certificateFile === null) !== (keyFile === null)) {
    problems.push(
      `${certificateFile === null ? 'MODOSU_DATA_TLS_CERT_FILE' : 'MODOSU_DATA_TLS_KEY_FILE'}: must be set too; certificate and key belong together`,
    );
  }
  if (!isLoopback(host) && certificateFile === null && keyFile === null) {
    problems.push(
      'MODOSU_DATA_TLS_CERT_FILE: must be set with MODOSU_DATA_TLS_KEY_FILE when MODOSU_DATA_HOST is not on loopback: passwords go over the network',
    );
  }
  if (guestHost === null && (isWildcard(host) || (isLoopback(host) && !isIpv4Loopback(host)))) {
    problems.push(`MODOSU_DATA_GUEST_HOST: must be set when MODOSU_DATA_HOST is ${host}`);
  }
  return problems;
}

/** Null: its port is chosen by `modosu up`. */
export function dataAddresses({ host, port, guestHost, certificateFile, externalUrl }: Given): DataAddresses | null {
  if (externalUrl !== null) {
    const url = new URL(externalUrl);
    const guests = new URL(externalUrl);
    if (guestHost !== null) guests.hostname = bracketed(guestHost);
    return { url: url.origin, guestUrl: guests.origin };
  }
  if (port === 0) return null;
  const scheme = certificateFile === null ? 'http' : 'https';
  const guests = guestHost ?? (isIpv4Loopback(host) ? USER_MODE_HOST : host);
  // On all addresses: the one that the certificate is for.
  const here = isWildcard(host) ? guests : host;
  return { url: `${scheme}://${bracketed(here)}:${port}`, guestUrl: `${scheme}://${bracketed(guests)}:${port}` };
}

const bracketed = (host: string): string => (host.includes(':') && !host.startsWith('[') ? `[${host}]` : host);
