import type { Prediction } from '../prediction.ts'
import type { Find } from './places.ts'

/** What the action needs to know of one API to wait for its predictions, or for tasks that read as such. */
export interface Api {
  /** The value of the input `api`. */
  readonly name: string
  /** The base address if `api-url` is empty. */
  readonly defaultUrl: string
  isId(id: string): boolean
  /** What an ID looks like, as a clause: `an ID has letters and digits only`. */
  readonly idRule: string
  /** Where a prediction is read, below the base address. */
  path(id: string): string
  /** Where the list of all predictions is read, below the base address; undefined if there is none. */
  readonly list?: string
  /** Reads parsed JSON that came with a 2xx status. */
  read(json: unknown, task: Task): Reading
  /** Whether an answer says, in this API's own form, that the ID is not known. `empty`: a 2xx without a body. */
  isUnknownId(answer: { json: unknown; empty: boolean }): boolean
  /** Undefined if the API cannot cancel. */
  readonly cancel: CancelCall | undefined
  readonly linkLife: LinkLife
  /** Seconds between two polls of one task at least: the server asks for them, or shows nothing new sooner. */
  readonly shortestInterval: number
  /**
   * Where the file of a link is fetched with the key, at the address of the API.
   * @returns undefined if it is fetched without it
   */
  keyedUrl(link: string, task: Task): string | undefined
}

/** How long the links of an output work: until the documented end (`RETENTION`), or nobody knows. */
export type LinkLife = 'documented' | 'unknown'

/** The call that cancels. Its path is below the base address. */
export interface CancelCall {
  readonly method: 'POST' | 'DELETE'
  path(id: string): string
}

/** The task that an answer is about, as it was requested. */
export interface Task {
  readonly id: string
  /** Base of the API, without a slash at its end. */
  readonly apiUrl: string
}

export type Reading =
  | ({ readonly kind: 'prediction' } & TaskReading)
  /** The ID is not known, or not yet. */
  | { readonly kind: 'unknown-id' }
  /** The API answered 200 and refused the request in the body. */
  | ({ readonly kind: 'refusal' } & Refusal)
  /** Not a prediction. `expected`: what is missing, as in `JSON without …`. */
  | { readonly kind: 'other'; readonly expected: string }

interface TaskReading {
  readonly prediction: Prediction
  /** From 0 to 1, if the API reports it as a number. */
  readonly progress: number | undefined
  /** Seconds after which the answer may be another one; undefined if only the API's own interval counts. */
  readonly refresh: number | undefined
  /** A second request, below the base address, for the link to the file. */
  readonly lookup: Lookup | undefined
}

export interface Lookup {
  readonly path: string
  readonly file: Find<string>
}

export interface Refusal {
  readonly message: string
  readonly code: string
  readonly transient: boolean
}
