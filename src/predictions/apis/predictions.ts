import { Prediction } from '../prediction.ts'
import type { Api } from './api.ts'

/** Predictions as Replicate and the gateways compatible with it serve them. */
export const predictions: Api = {
  name: 'replicate',
  defaultUrl: 'https://api.fuhuapi.com/replicate/v1',
  isId: (id) => /^[A-Za-z0-9][\w-]{0,127}$/.test(id),
  idRule: 'an ID consists of at most 128 letters, digits, "-" and "_"',
  path: (id) => `/predictions/${encodeURIComponent(id)}`,
  list: '/predictions',
  read(json) {
    const parsed = Prediction.safeParse(json)
    return parsed.success
      ? { kind: 'prediction', prediction: parsed.data, progress: undefined, refresh: undefined, lookup: undefined }
      : { kind: 'other', expected: 'the strings id and status' }
  },
  isUnknownId: () => false,
  // The address is built here: `urls.cancel` of a body is somebody else's choice of a host for the key.
  cancel: { method: 'POST', path: (id) => `/predictions/${encodeURIComponent(id)}/cancel` },
  linkLife: 'documented',
  shortestInterval: 0,
  keyedUrl: () => undefined,
}
