/**
 * Tells a server that works on something long from one that takes calls and answers none, which no broken connection
 * betrays: a stopped process, a deadlock, collections of garbage without end.
 */
import { Metadata, status } from '@grpc/grpc-js'

/** What a server is asked that says nothing. */
export interface Pulse {
  /** Milliseconds of silence before it is asked. */
  readonly after: number
  /** Asks for something that is answered at once; false where that is not answered either. Never rejects. */
  readonly ask: () => Promise<boolean>
}

/** One call's: listens while an answer is awaited, rests while the caller works on one. */
export class Silence {
  #timer: NodeJS.Timeout | undefined
  #round = 0

  constructor(
    private readonly pulse: Pulse | undefined,
    private readonly onSilent: (error: Error) => void,
  ) {}

  listen(): void {
    const { pulse } = this
    if (pulse === undefined) return
    const round = ++this.#round
    const look = async (): Promise<void> => {
      const began = performance.now()
      const isThere = await pulse.ask()
      if (round !== this.#round) return
      if (isThere) this.listen()
      else this.onSilent(unanswered(pulse.after + performance.now() - began))
    }
    this.#timer = setTimeout(() => void look(), pulse.after)
  }

  rest(): void {
    clearTimeout(this.#timer)
    this.#round++
  }
}

/** As gRPC tells that a server is away. */
function unanswered(waited: number): Error {
  const details = `it takes calls and has answered none for ${(waited / 1000).toFixed(0)} s`
  return Object.assign(new Error(details), { code: status.UNAVAILABLE, details, metadata: new Metadata() })
}
