#!/usr/bin/env bash
# Makes the certificates of the tests anew. They prove nothing: their keys are public.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$(mktemp -d)"
mkdir new
touch index
cat >config <<END
[ca]
default_ca = tests
[tests]
database = index
new_certs_dir = new
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
[req]
distinguished_name = req
END
issue() { # name, issuer, begin, end, extensions
  local sign=(-cert "$2.pem" -keyfile "$2.key")
  [[ $1 != "$2" ]] || sign=(-selfsign -keyfile "$1.key")
  openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1.key"
  openssl req -config config -new -key "$1.key" -subj "/CN=calog tests $1" -out "$1.csr"
  openssl ca -config config -batch -notext -in "$1.csr" -out "$1.pem" "${sign[@]}" \
    -startdate "$3" -enddate "$4" -extfile <(printf '%s\n' "${@:5}")
}
root() {
  issue "$1" "$1" 20200101000000Z 21200101000000Z \
    basicConstraints=critical,CA:TRUE keyUsage=critical,keyCertSign
}
leaf() { # name, end, usage, names
  issue "$1" ca 20200101000000Z "$2" basicConstraints=CA:FALSE keyUsage=digitalSignature \
    "extendedKeyUsage=$3" "subjectAltName=$4"
}
root ca
root stranger
leaf server 21200101000000Z serverAuth DNS:localhost,IP:127.0.0.1
leaf expired 20200102000000Z serverAuth DNS:localhost,IP:127.0.0.1
leaf client 21200101000000Z clientAuth DNS:client.example
cp ca.pem stranger.pem {server,expired,client}.{pem,key} "$here"
