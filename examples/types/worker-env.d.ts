/** The bindings of the example Worker: `env` of `cloudflare:workers`. Secrets and variables are texts. */
declare namespace Cloudflare {
  interface Env {
    HINOBAN: DurableObjectNamespace<import('hinoban/cloudflare').HinobanObject>
  }
}
