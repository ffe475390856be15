/** Real processes, killed, at every seventh point (`npm run chaos`). Apart from the quick tests. */
import { chaos } from './matrix.js'

export default chaos(7)
