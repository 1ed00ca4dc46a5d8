/** Uploads the .bin files of a folder as one artifact with nothing but the artifact client: `node uploader.mjs NAME FOLDER`. */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { DefaultArtifactClient } from '@actions/artifact'

const [, , name, folder] = process.argv
const files = (await readdir(folder)).filter((file) => file.endsWith('.bin')).map((file) => path.join(folder, file))
await new DefaultArtifactClient().uploadArtifact(name, files, folder, { compressionLevel: 0 })
