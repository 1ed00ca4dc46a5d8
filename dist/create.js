import { create } from './index.js'
await create()
