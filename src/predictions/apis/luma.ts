import { at, file, first, text } from './places.ts'
import { taskApi } from './task-api.ts'

/**
 * Luma's Dream Machine: the vendor's object has `assets` (lumalabs/lumaai-node, generations.ts), gateways answer with
 * that of its web site, in which the same video is listed several times. The picture of a video is a still from it.
 */
export const luma = taskApi({
  name: 'luma',
  path: '/dream-machine/v1/generations/{id}',
  status: ['state'],
  files: first(
    file('assets.video'),
    file('assets.image'),
    file('video.url'),
    file('video.download_url'),
    file('video_raw.url'),
    file('video_raw'),
  ),
  error: text('failure_reason'),
  created: at('created_at'),
})
