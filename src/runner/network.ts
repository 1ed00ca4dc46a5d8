import { setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net'

/** Milliseconds for a connection to one of several addresses of a host. Node's 250 are too few for another continent. */
const ADDRESS_TIMEOUT_MS = 2500

/** Lets the clients of GitHub, which make their own connections, reach hosts whose handshake is slow. */
export const allowSlowHandshakes = (): void => setDefaultAutoSelectFamilyAttemptTimeout(ADDRESS_TIMEOUT_MS)
