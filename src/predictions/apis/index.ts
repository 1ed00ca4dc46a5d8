import type { Api } from './api.ts'
import { dashscope } from './dashscope.ts'
import { kling } from './kling.ts'
import { luma } from './luma.ts'
import { midjourney } from './midjourney.ts'
import { minimax } from './minimax.ts'
import { predictions } from './predictions.ts'
import { runway } from './runway.ts'
import { seedance } from './seedance.ts'
import { suno } from './suno.ts'
import { videos } from './videos.ts'

/** Every API that can be waited for; the first is that of the input's default. */
export const APIS: readonly Api[] = [
  predictions,
  videos,
  suno,
  midjourney,
  kling,
  runway,
  luma,
  minimax,
  seedance,
  dashscope,
]

export { predictions }
