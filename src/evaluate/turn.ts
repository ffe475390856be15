/** Long work on the event loop gives way between its steps. */
import { setImmediate as immediate } from 'node:timers/promises'
import { MillraceError } from '../core/errors.js'

/** Lets everything else that waits have its turn. Throws MR_CANCELLED once the signal is aborted. */
export async function nextTurn(signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted === true) throw new MillraceError('MR_CANCELLED', 'interrupted while scoring the model')
  await immediate()
}
