#!/bin/bash
# Installs the Debian packages that are missing when root, and names them otherwise: setup_debian.sh GROUP...
set -euo pipefail

python=${PYTHON:-python3}
missing=()

# A package is missing when its probe fails; what the machine has from elsewhere (another python, clang) is fine too.
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

python_has_venv() {
    "$python" -c 'import ensurepip, venv'
}

python_has_headers() {
    "$python" -c 'import os, sysconfig; assert os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))'
}

has_compiler() {
    command -v cc || command -v gcc
}

clang_can_fuzz() {
    echo 'int LLVMFuzzerTestOneInput(const char *a, unsigned long b) { return a && b ? 0 : 0; }' |
        clang -x c -fsanitize=fuzzer,address,undefined -o /dev/null -
}

has_postgres() {
    command -v postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres'
}

# Debian splits CPython's own tests off; another interpreter has them or not, and no package helps.
has_asyncio_tests() {
    "$python" -c 'import test.test_asyncio' || [ "$("$python" -c 'import sys; print(sys.base_prefix)')" != /usr ]
}

has_counting_python() {
    local name
    for name in "${PYTHON_DEBUG:-python3-dbg}" python3.1{1,2,3}-dbg; do
        "$name" -c 'import sys; sys.gettotalrefcount()' && return
    done
    return 1
}

# python3.12 has its own packages; the default one's are python3-venv and python3-dev.
prefix() {
    case $(basename "$python") in
    python3.*) basename "$python" ;;
    *) echo python3 ;;
    esac
}

for group in "$@"; do
    case $group in
    build)
        need python3 command -v "$python"
        need "$(prefix)-venv" python_has_venv
        need "$(prefix)-dev" python_has_headers
        need gcc has_compiler
        need libc6-dev sh -c 'echo "#include <stdio.h>" | ${CC:-cc} -E -o /dev/null -'
        need zlib1g-dev sh -c 'echo "#include <zlib.h>" | ${CC:-cc} -E -o /dev/null -'
        ;;
    test)
        need curl command -v curl
        need openssl command -v openssl
        need redis-server command -v redis-server
        need chromium command -v chromium
        need postgresql has_postgres
        need nginx test -x /usr/sbin/nginx
        need haproxy test -x /usr/sbin/haproxy
        need procps command -v ps
        need iproute2 command -v ip
        need libfaketime compgen -G '/usr/lib/*/faketime/libfaketime.so.1'
        ;;
    asyncio)
        need "lib$(prefix)-testsuite" has_asyncio_tests
        ;;
    debug)
        need python3-dbg has_counting_python
        ;;
    clang)
        need gcc command -v gcc
        need clang command -v clang
        ;;
    fuzz)
        need libclang-rt-dev clang_can_fuzz
        ;;
    bench)
        need libev-dev test -f /usr/include/ev.h
        need nginx test -x /usr/sbin/nginx
        ;;
    count)
        need valgrind command -v valgrind
        ;;
    *)
        echo "setup_debian.sh: no group named $group" >&2
        exit 2
        ;;
    esac
done

if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "Missing on this machine: ${missing[*]} (names of Debian packages)" >&2
    echo "Install them, as root: apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "Installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# Services that come with a package are not started: tests start their own.
export RUNLEVEL=1
apt-get update -qq
# clang's runtime is named after its version: libclang-rt-14-dev.
version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -1)
missing=("${missing[@]/#libclang-rt-dev/libclang-rt-$version-dev}")
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
