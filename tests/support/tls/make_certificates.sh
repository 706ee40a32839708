#!/bin/sh
# Makes the certificates of this folder anew, with OpenSSL. All are signed by ca.crt and last until 2126, but for the
# expired one and the one of the future.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
touch "$work/index.txt"
cat > "$work/ca.cnf" <<END
[ca]
default_ca = ours
[ours]
dir = $work
database = $work/index.txt
new_certs_dir = $work
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
x509_extensions = leaf
[any]
commonName = supplied
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
END
key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }
key "$work/ca.key"
openssl req -x509 -new -key "$work/ca.key" -subj "/CN=Petrel tests" -days 36500 -out ca.crt \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign"
leaf() { # name, from, until
  key "$1.key"
  openssl req -new -key "$1.key" -subj "/CN=$1" -out "$work/$1.csr"
  openssl ca -batch -notext -config "$work/ca.cnf" -cert ca.crt -keyfile "$work/ca.key" \
    -startdate "$2" -enddate "$3" -in "$work/$1.csr" -out "$1.crt" 2> /dev/null
}
leaf first 20260101000000Z 21260101000000Z
leaf second 20260101000000Z 21260101000000Z
leaf expired 20200101000000Z 20210101000000Z
leaf future 21200101000000Z 21260101000000Z
openssl pkcs8 -topk8 -passout pass:petrel -in first.key -out encrypted.key
