/**
 * Part of a script: the variables by which a machine's administrator says how it reaches the
 * outside, from `/etc/environment`. Who becomes root by sudo is not given them. Those that are set
 * stay as they are.
 */
export const READ_VARIABLES = `
read_variables() {
  while IFS= read -r line || [ -n "$line" ]; do
    line=\${line#export }
    name=\${line%%=*} value=\${line#*=}
    case $name in
      "$line" | *[!A-Za-z0-9_]*) continue ;;
      *_proxy | *_PROXY | PIP_* | UV_* | PRISMA_*_MIRROR | SSL_CERT_* | NODE_EXTRA_CA_CERTS) ;;
      *) continue ;;
    esac
    case $value in
      \\"*\\" | \\'*\\') value=\${value#?} value=\${value%?} ;;
    esac
    eval "given=\\\${$name:-}"
    [ -n "$given" ] || export "$name=$value"
  done
}
[ ! -r /etc/environment ] || read_variables </etc/environment
`;
