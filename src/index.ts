/**
 * The one bundle of all entries: what they share is in it once, and each is loaded when its action runs. dist/main.js
 * and its like, which the action.yml files name, call these (`scripts/build.ts`).
 */
export const main = () => import('./main.ts')
export const run = () => import('./run.ts')
export const create = () => import('./create.ts')
export const post = () => import('./post.ts')
