# shellcheck shell=bash disable=SC2154
# What ./impound, ./test and .ci/run share: Debian packages from the one list beside this file, and a build that is looked
# into only when something changed. Sourced by bash, with `root` (the project's folder) and `build` (build/PRESET in it) set,
# both absolute. Never changes the caller's folder.

PATH="$PATH:/usr/sbin:/sbin"
complain() { printf '%s\n' "$@" >&2; }

# list_packages SECTION…: "package command" lines of these sections.
list_packages() {
  awk -v sections=" $* " '/^#/ || NF == 0 { next } /^\[/ { wanted = index(sections, " " substr($0, 2, length($0) - 2) " "); next } wanted' \
    "$root/config/packaging/debian-packages"
}

# missing_packages SECTION…: those that neither dpkg knows as installed nor their command stands in for; one dpkg-query for all.
missing_packages() {
  local installed package command
  installed=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | awk '$1 == "installed" { printf "%s ", $2 }')"
  while read -r package command; do
    [[ $installed == *" $package "* ]] && continue
    [[ -n $command ]] && command -v "$command" >/dev/null && continue
    printf '%s\n' "$package"
  done < <(list_packages "$@")
}

# need_packages NAME SECTION…: installs what is missing. NAME.stamp says it was all there when dpkg's books last changed.
need_packages() {
  local stamp="$build/packages-$1.stamp" list="$root/config/packaging/debian-packages" missing as_root=()
  shift
  [[ $stamp -nt $list && $stamp -nt /var/lib/dpkg/status ]] && return 0
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    if [[ -n ${IMPOUND_NO_APT:-} ]]; then return 0; fi
    complain "impound: this is no Debian (there is no apt-get), so the packages it needs cannot be installed from here." \
      "Install what these Debian 12 packages hold: $(list_packages "$@" | awk '{ printf "%s ", $1 }')" \
      "then run again with IMPOUND_NO_APT=1."
    return 1
  fi
  missing=$(missing_packages "$@")
  if [[ -n $missing ]]; then
    if [[ $(id -u) -ne 0 ]]; then
      as_root=(sudo)
      if ! command -v sudo >/dev/null; then
        complain "impound: Debian packages are missing and there is no sudo. Run as root:" "  apt-get install --no-install-recommends ${missing//$'\n'/ }"
        return 1
      fi
    fi
    complain "installing Debian packages: ${missing//$'\n'/ }"
    mkdir -p "$build"
    # shellcheck disable=SC2086  # one word a package
    if ! "${as_root[@]}" bash "$root/config/packaging/install-packages" $missing >"$build/packages.log" 2>&1 </dev/null; then
      tail -n 15 "$build/packages.log" >&2
      complain "impound: apt-get failed; the whole of it is in $build/packages.log"
      return 1
    fi
  fi
  mkdir -p "$build" && touch "$stamp"
}

# configure "OPTIONS": what an older build remembers of this machine may be gone (a compiler, ninja); then it starts afresh.
configure() {
  cd "$root" || return 1
  # shellcheck disable=SC2086  # one word an option
  cmake --preset "${build##*/}" $1 || cmake --fresh --preset "${build##*/}" ${1:--DIMPOUND_TESTS=OFF}
}

# build_targets NAME "CMAKE OPTIONS" TARGET…: configures and builds, quietly; the log is shown when it fails. NAME.stamp
# carries the time before the build began, so that what is edited meanwhile is built next time.
build_targets() {
  local name=$1 options=$2 log="$build/build.log"
  shift 2
  mkdir -p "$build"
  (
    flock 9 || exit 1
    touch "$build/$name.begun"
    if { configure "$options" && cmake --build "$build" --target "$@"; } >"$log" 2>&1 </dev/null; then
      mv "$build/$name.begun" "$build/$name.stamp"
    else
      grep -E 'error|Error|FAILED' "$log" | head -n 30 >&2
      tail -n 15 "$log" >&2
      complain "impound: the build failed; the whole of it is in $log"
      exit 1
    fi
  ) 9>"$build/build.lock"
}

# built NAME FOLDER…: nothing under these folders is newer than the last good build.
built() {
  local stamp="$build/$1.stamp"
  shift
  [[ -e $stamp && -z $(cd "$root" && find CMakeLists.txt CMakePresets.json "$@" -newer "$stamp" -print -quit) ]]
}
