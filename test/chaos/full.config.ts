/** Real processes, killed, at every point: `npm run chaos:full`, some minutes. */
import { chaos } from './matrix.js'

export default chaos(1)
