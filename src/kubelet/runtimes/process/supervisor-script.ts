/**
 * The program that holds one container: a bash script of about 3 MB that outlives the agent, as containerd's shim does.
 *
 *     bash -p -c <script> fairlead <directory> <mode> <seconds>
 *
 * `directory` is the container's own and holds `argv`, `env`, `mounts` (NUL-separated), `workdir`, `hostname`, an empty `tty` where one is wanted, an
 * empty `setup.log`, and these FIFOs: `stdout`, `stderr`, `alive`, `hold` and, for containers with stdin, `stdin`.
 *
 * No output is lost while no agent runs: the script keeps a reading end of the outputs, so that a container never gets SIGPIPE (it
 * waits once the kernel's buffer is full) and what it wrote stays in the kernel after its end. The script itself holds both ends of
 * `alive`, for the same reason, and the only writing one, so that the agent sees its death. It writes the exit code to `exit`.
 *
 * Nothing is left over: the container starts only once the agent has written a line to `hold`, which it does when the script's process is in the
 * container's record; without that line the script ends by itself. A watcher, always the first child, looks for the directory every so many
 * seconds: where that has been deleted (with a root of its own: that root, whose mounts the kernel then lets go), everything ends.
 *
 * Mode `root`: the script is process 1 of its own PID and mount namespaces (`unshare`), gives the container a root of its own, and
 * stays process 1: it reaps orphans, forwards signals, and ends everything that the container leaves behind.
 * Mode `join`: the same root, but inside another container's user and PID namespaces, as one of its processes.
 * Mode `plain`: no namespaces; the container runs in the host's root and finds its volumes under `$FAIRLEAD_ROOT`.
 *
 * What it reports, one line each, in the file `exit`: `exited <code>` or `failed <why>`; on `alive`: `s` once started, `x` once `exit` is written.
 */
export const supervisorScript = String.raw`
dir=$1 mode=$2 every=$3 pty= pivoted= child= watcher=
umask 022
vanished() {
  if [ -n "$pivoted" ]; then [ ! -e /proc/self ] && [ ! -e /tmp ] && [ ! -e /run ]; else [ ! -e "$dir/exit" ]; fi
}
linger() { until vanished; do read -r -t "$every" -u 9 _; done; exit 0; }
fail() { printf 'failed %s\n' "$*" >&7; exec 11>&- 12>&-; printf x >&8; linger; }
exec 7>"$dir/exit" 8<>"$dir/alive" 9<>"$dir/hold" || exit
exec 3<>"$dir/stdout" 4<>"$dir/stderr"
exec 11>"$dir/stdout" 12>"$dir/stderr" 13<"$dir/stdout" 14<"$dir/stderr"
exec 3>&- 4>&-
if [ -p "$dir/stdin" ]; then exec 5<>"$dir/stdin"; exec 10<"$dir/stdin"
elif [ -e "$dir/tty" ]; then exec 10<&9
else exec 10</dev/null; fi
argv=() kept=() mounts=()
while IFS= read -r -d '' item; do argv+=("$item"); done <"$dir/argv"
while IFS= read -r -d '' item; do kept+=("$item"); done <"$dir/env"
while IFS= read -r -d '' item; do mounts+=("$item"); done <"$dir/mounts"
IFS= read -r -d '' workdir <"$dir/workdir"
[ ! -e "$dir/tty" ] || pty=1

bind_root() {
  local new=$dir/root name i source target flags
  mkdir -p "$new" "$dir/upper" "$dir/work" || return
  mount --rbind "$new" "$new" || return
  mkdir -p "$new"/{proc,sys,dev/pts,dev/shm,tmp,run,var/tmp,var/log,var/lib,root,home,mnt,srv,.host} || return
  chmod 1777 "$new/tmp" "$new/var/tmp" || return
  ln -sfn /run "$new/var/run"
  for name in /bin /sbin /lib /lib32 /lib64 /libx32; do
    if [ -L "$name" ]; then cp -P "$name" "$new$name" 2>/dev/null
    elif [ -d "$name" ]; then mkdir -p "$new$name" && mount --rbind "$name" "$new$name" || return; fi
  done
  mkdir -p "$dir/upper/usr/bin"
  for ((i = 1; i < ${'$'}{#mounts[@]}; i += 3)); do
    case ${'$'}{mounts[i]} in /etc/*|/usr/*|/opt/*) mkdir -p "$dir/upper${'$'}{mounts[i]%/*}";; esac
  done
  for name in etc usr opt nix; do
    [ -d "/$name" ] || continue
    mkdir -p "$new/$name" "$dir/upper/$name" "$dir/work/$name"
    mount -t overlay overlay -o "lowerdir=/$name,upperdir=$dir/upper/$name,workdir=$dir/work/$name,userxattr" "$new/$name" 2>/dev/null ||
      mount --rbind "/$name" "$new/$name" || return
  done
  for name in null zero full random urandom tty; do
    : >"$new/dev/$name" && mount --bind "/dev/$name" "$new/dev/$name" || return
  done
  mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$new/dev/pts" || return
  ln -sfn pts/ptmx "$new/dev/ptmx"
  mount -t tmpfs -o mode=1777,size=64m tmpfs "$new/dev/shm" || return
  ln -sfn /proc/self/fd "$new/dev/fd"; ln -sfn /proc/self/fd/0 "$new/dev/stdin"
  ln -sfn /proc/self/fd/1 "$new/dev/stdout"; ln -sfn /proc/self/fd/2 "$new/dev/stderr"
  mount --rbind /sys "$new/sys" || return
  mount -t proc proc "$new/proc" || return
  cd "$new" && pivot_root . .host || return
  cd / || return
  pivoted=1
  ln -sfn "$BASH" /bin/sh 2>/dev/null
  [ -s "/.host$dir/hostname" ] && hostname "$(</.host$dir/hostname)" 2>/dev/null
  for ((i = 0; i < ${'$'}{#mounts[@]}; i += 3)); do
    source=/.host${'$'}{mounts[i]} target=${'$'}{mounts[i+1]} flags=${'$'}{mounts[i+2]}
    [ ! -L "$target" ] || target=$(readlink -m "$target") || return # as /etc/resolv.conf often is, to a place that is not here
    if [ -d "$source" ]; then mkdir -p "$target" || return
    else mkdir -p "${'$'}{target%/*}/" || return; [ -e "$target" ] || : >"$target" || return; fi
    mount --rbind "$source" "$target" || return
    [ "$flags" = rw ] || mount -o remount,bind,ro "$target" || mount -o remount,bind,ro,nosuid,nodev "$target" ||
      mount -o remount,bind,ro,nosuid,nodev,noexec "$target" || return
  done
  umount -l /.host && rmdir /.host
}

if [ "$mode" != plain ]; then
  exec 6<"$dir/setup.log"
  bind_root 2>"$dir/setup.log" || fail "cannot set up the container's root: $(tail -n 1 <&6)"
fi
path=$PATH
for item in "${'$'}{kept[@]}"; do case $item in PATH=*) path=${'$'}{item#PATH=};; esac; done
if [ -n "$workdir" ]; then
  mkdir -p "$workdir" 2>/dev/null
  cd "$workdir" || fail "cannot change to the working directory $workdir"
fi
PATH=$path type -P "${'$'}{argv[0]}" >/dev/null || fail "exec: \"${'$'}{argv[0]}\": executable file not found in \$PATH"
forward() { [ -z "$child" ] || kill -"$1" "$child" 2>/dev/null; }
sweep() { if [ "$mode" = root ]; then kill -9 -1; else kill -9 -- "-$child" "$watcher"; fi 2>/dev/null; }
for name in TERM INT QUIT HUP USR2; do trap "forward $name" "$name"; done
trap 'exec 5>&-' USR1
trap 'sweep; exit 0' ALRM

go=
for ((i = 0; i < 6; i++)); do
  read -r -t "$every" -u 9 go && break
  ! vanished || exit 0
done
[ -n "$go" ] || exit 1
(
  exec 5>&- 7>&- 8>&- 10>&- 11>&- 12>&- 13>&- 14>&-
  trap - TERM INT QUIT HUP USR1 USR2 ALRM
  printf fairlead-watch >/proc/self/comm
  while kill -0 $$; do
    read -r -t "$every" -u 9 _
    ! vanished || { kill -ALRM $$; exit; }
  done
) 2>/dev/null &
watcher=$!

set -m
(
  trap - TERM INT QUIT HUP USR1 USR2 ALRM
  exec 5>&- 7>&- 8>&- 9>&- 13>&- 14>&-
  unset OLDPWD SHLVL
  for item in "${'$'}{kept[@]}"; do export "$item" 2>/dev/null; done
  if [ -n "$pty" ]; then export SHELL="$BASH" FAIRLEAD_ARGV="exec $(printf '%q ' "${'$'}{argv[@]}")"
    exec script -qefc 'eval "unset FAIRLEAD_ARGV; $FAIRLEAD_ARGV"' /dev/null <&10 >&11 2>&12 10>&- 11>&- 12>&-; fi
  exec "${'$'}{argv[@]}" <&10 >&11 2>&12 10>&- 11>&- 12>&-
) &
child=$!
set +m
exec 10>&- 11>&- 12>&-
printf s >&8
while :; do
  wait "$child"; code=$?
  kill -0 "$child" 2>/dev/null && continue
  wait "$child" 2>/dev/null; again=$?
  [ "$again" = 127 ] || code=$again
  break
done
exec 5>&-
sweep
printf 'exited %d\n' "$code" >&7
printf x >&8
linger
`;

/**
 * Runs a command in a container's namespaces, or beside a container without: file descriptor 3 holds the container's environment.
 *
 *     bash -p -c <script> fairlead <working directory> <command…>
 *
 * `SHLVL` keeps a bash that is the command from taking the socket on its stdin for a remote login and reading ~/.bashrc.
 */
export const execScript = String.raw`
workdir=$1; shift
unset OLDPWD
while IFS= read -r -d '' item; do export "$item" 2>/dev/null; done <&3
exec 3<&-
export SHLVL=1
cd "${'$'}{workdir:-/}" 2>/dev/null || cd /
type -P "$1" >/dev/null || { printf 'exec: "%s": executable file not found in $PATH\n' "$1" >&2; exit 127; }
exec "$@"
`;
