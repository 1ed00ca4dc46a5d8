import { predictions } from '../../src/predictions/apis/predictions.ts'
import type { Inputs } from '../../src/runner/inputs.ts'
import type { SavingInputs } from '../../src/runner/open-saver.ts'

/** Inputs that differ from those of {@link savingInputs}. */
export type OtherInputs = Partial<Omit<SavingInputs, 'download'> & Pick<Inputs, 'timeout'>> & {
  download?: Partial<Inputs['download']>
}

/** What files are saved by, into a folder. */
export function savingInputs(directory: string, { download, ...more }: OtherInputs = {}) {
  return {
    api: predictions,
    apiUrl: 'https://api.example.com/v1',
    apiKey: 'key-0123456789',
    policy: { apiUrl: 'https://api.example.com/v1', allowedHosts: [] },
    timeout: { text: '1m', seconds: 60 },
    ...more,
    download: {
      directory,
      fileName: '{id}-{index}',
      maxFileSize: 1000,
      maxTotalSize: 1e6,
      overwrite: false,
      ifNoFilesFound: 'error' as const,
      ...download,
    },
  }
}
