declare namespace Cloudflare {
  interface Env {
    HINOBAN: DurableObjectNamespace<import('hinoban/cloudflare').HinobanObject>
    API_KEY_DIGEST: string
  }
}
