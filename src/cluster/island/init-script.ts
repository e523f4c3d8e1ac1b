/**
 * Process 1 of an island: a bash of about 3 MB. It prepares the island's own view of the machine, starts the node agent and ends with it, or once
 * whoever started the island has gone, however that ended: then file descriptor 3 ends. With process 1 the kernel ends every process of the island.
 * It also reaps what containers leave behind.
 *
 *     bash -p -c <script> fairlead-island <namespace directory> <program> <argument…>
 */
export const initScript = `
namespaces=$1; shift
mount -t proc proc /proc && mount -t tmpfs -o mode=0700,size=4m netns "$namespaces" || exit 125
echo 1 >/proc/sys/net/ipv4/ip_forward || exit 125
ip link set lo up || exit 125
exec 4<&0 5>&1 </dev/null >&2
"$@" <&4 >&5 3<&- 4<&- 5>&- &
agent=$!
exec 4<&- 5>&-
while read -r _; do :; done <&3 &
life=$!
exec 3<&-
wait -n "$agent" "$life"
code=$?
kill -0 "$agent" 2>/dev/null && exit 137
exit "$code"
`;
