#!/bin/sh
# make_ext4.sh FILE: makes the ext4 file system that suites/real works on.
#
# UUID, hash seed, times, owner and features are fixed and the machine's own mke2fs.conf is not read,
# so every run with one version of e2fsprogs gives the same bytes.  In it lies one file, /data, of
# 8 MiB of 'U'.  The cases write to the bytes 4 MiB to 8 MiB of FILE, which must lie inside /data;
# that is checked, and the place is printed: "data 4194304 4194304".
#
# Exit status: 0 made; 77 e2fsprogs is missing; 1 anything else.
set -eu

PATH=$PATH:/usr/sbin:/sbin
for program in mke2fs debugfs; do
    if ! command -v $program >/dev/null; then
        echo "make_ext4.sh: $program is missing (apt-get install e2fsprogs): suites/real is skipped" >&2
        exit 77
    fi
done
image=$1
mkdir -p "$(dirname "$image")"
work=$(mktemp -d "$(dirname "$image")/make.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

cat >"$work/mke2fs.conf" <<'CONF'
[defaults]
base_features = sparse_super,large_file,filetype,ext_attr,dir_index
[fs_types]
ext4 = {
    features = extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
    inode_size = 256
}
small = {
    blocksize = 4096
}
CONF
export E2FSPROGS_FAKE_TIME=1500000000 MKE2FS_CONFIG="$work/mke2fs.conf" TZ=UTC LC_ALL=C

truncate -s 16M "$work/image"
mke2fs -q -t ext4 -b 4096 -L blksim -U 0b1c5100-0000-4000-8000-000000000001 \
    -E hash_seed=0b1c5100-0000-4000-8000-000000000002,lazy_itable_init=0,nodiscard,root_owner=0:0 \
    "$work/image"
head -c 8388608 /dev/zero | tr '\0' U >"$work/fill"
cat >"$work/commands" <<COMMANDS
set_current_time 20170714024000
write $work/fill data
set_inode_field data mode 0100644
set_inode_field data uid 0
set_inode_field data gid 0
set_inode_field data atime 20170714024000
set_inode_field data ctime 20170714024000
set_inode_field data mtime 20170714024000
set_inode_field data crtime 20170714024000
COMMANDS
debugfs -w -f "$work/commands" "$work/image" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }

# One extent of /data has blocks 1024 to 2047: "(25-2047):162-2184" is one.
debugfs -R 'ex data' "$work/image" >"$work/extents" 2>/dev/null
if ! awk '$1 ~ /^[0-9]+\// { gsub(/[^0-9]+/, " "); n = split($0, w, " ")
          if (w[n - 2] <= 1024 && w[n - 1] >= 2047) found = 1 }
          END { exit !found }' "$work/extents"; then
    echo "make_ext4.sh: this e2fsprogs puts /data elsewhere:" >&2
    cat "$work/extents" >&2
    exit 1
fi
mv "$work/image" "$image"
echo "data 4194304 4194304"
