/** What reading `s3://` needs to know from the pipeline file, the home and the environment. */
import { join } from 'node:path'
import type { PipelineConfig } from './config.js'

/**
 * Options for `expandSource`: copies of objects are kept in `<home>/cache/objects`. `credentialsBy` names the variable
 * of the environment that says where credentials are to be found, if there is one: without it none are needed. The
 * endpoint is the file's, or that of AWS's own variables.
 */
export function objectStore(
  {
    endpoint = process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL'],
    region,
  }: PipelineConfig['data']['s3'],
  home: string,
): { readonly cache: string; readonly endpoint?: string; readonly region?: string; readonly credentialsBy?: string } {
  const credentialsBy = ['AWS_PROFILE', 'AWS_ACCESS_KEY_ID', 'AWS_ROLE_ARN'].find((name) => process.env[name])
  // AWS's client would speak of the end of Node 20 in the middle of a run
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'
  return {
    cache: join(home, 'cache', 'objects'),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(credentialsBy === undefined ? {} : { credentialsBy }),
  }
}
