/** Real processes, killed and in broken surroundings, at some of all points: `npm run chaos`. Apart from the quick tests. */
import { chaos } from './matrix.js'

export default chaos(11)
