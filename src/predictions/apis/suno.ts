import { all, each, file, first, text } from './places.ts'
import { taskApi } from './task-api.ts'

/**
 * Suno has no API of its own: this is the gateways' (published examples). The gateway's status is the task's; that of
 * a clip (`complete`, `streaming`) says nothing about the end. Music is a list of clips, lyrics are an object with a
 * text.
 */
export const suno = taskApi({
  name: 'suno',
  path: '/suno/fetch/{id}',
  status: [],
  files: each('*', all(file('audio_url'), file('video_url'), first(file('image_large_url'), file('image_url')))),
  text: text('text'),
  error: text('*.metadata.error_message'),
})
