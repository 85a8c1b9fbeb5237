/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Paths from the kernel's own dentries, up to the root of the mount namespace and across mounts, and what the kernel
 * knows of a file. Nothing here reads user memory.
 *
 * What reads bare addresses is verified once, in global functions (walk_on, walk_at, fill_file_at), and not at every
 * place that calls it; what follows typed pointers cannot be, because 6.1 gives a global function none.
 *
 * A walk takes no lock. A rename in the middle of it can mix names of before and after; the inode stays true.
 *
 * There are two ways to read. A pointer of which the verifier knows the type is followed with plain loads. What hangs
 * on a bare address is copied by a helper, and each call of it costs as much as ten loads. The functions that do either
 * have a constant parameter `is_typed`, so that each call is compiled for one of them.
 */
#pragma once

#define OVERLAYFS_SUPER_MAGIC 0x794c7630
#define NSFS_MAGIC 0x6e736673
#define NAME_MAX_BYTES 255
#define SHORT_NAME_BYTES 16

/* Names and mount crossings of one path; a path has at most PATH_MAX_BYTES / 2 names. */
#define WALK_STEPS 4096

/*
 * The first are done in place, because every step of bpf_loop is a call. Unrolled, because 6.1 refuses loops whose
 * jump back the compiler replaced with falling through.
 */
#define STEPS_IN_PLACE 3
#define TYPED_STEPS 12
_Static_assert(TYPED_STEPS * (INLINE_NAME_BYTES + 1) <= PATH_MAX_BYTES, "the typed steps check no length");

/*
 * A field of a kernel structure: a load if the verifier knows the type of `from`, and then `copy` is NULL; else a part
 * of the copy that was made of its beginning. Fields beyond that are read one by one.
 */
#define READ_PART(out, copy, from, type, field)                                                                 \
	({                                                                                                      \
		__u32 _offset = bpf_core_field_offset(type, field);                                             \
		if (!(copy))                                                                                    \
			(out) = (typeof(out))((type *)(from))->field;                                           \
		else if (_offset + sizeof(out) <= sizeof(*(copy)))                                              \
			(out) = *(typeof(out) *)((void *)(copy) + _offset);                                     \
		else                                                                                            \
			bpf_probe_read_kernel(&(out), sizeof(out), (void *)(from) + _offset);                   \
	})

static __always_inline void enter_mount(struct walk *walk, __u64 mount)
{
	walk->mount = mount;
	if (mount == walk->top)
		walk->at = walk->at_top;
	else
		bpf_probe_read_kernel(&walk->at, sizeof(walk->at),
				      (void *)mount + bpf_core_field_offset(struct mount, mnt_parent));
}

/* At the root of a mount. Returns 1 at the end. */
static __always_inline long cross_mount(struct walk *walk)
{
	if (walk->at.parent == walk->mount)
		return 1;
	walk->dentry = walk->at.mountpoint;
	enter_mount(walk, walk->at.parent);
	return 0;
}

static __always_inline __u64 inline_name_of(__u64 dentry)
{
	return dentry + bpf_core_field_offset(struct dentry, d_inode) + sizeof(__u64);
}

/* Appends the name of a dentry. Returns 1 at the end. */
static __always_inline long append_name(struct scratch *scratch, __u64 dentry, const struct dentry_part *name)
{
	struct walk *walk = &scratch->walk;
	__u32 position = walk->position, len = name->len;
	words *to;

	if (len > NAME_MAX_BYTES)
		len = NAME_MAX_BYTES;
	if (position + len + 1 > walk->end) {
		walk->state = PATH_TRUNCATED_PARENTS;
		return 1;
	}
	position &= RECORD_BYTES - 1;
	to = (void *)&scratch->record[position];
	if (len <= INLINE_NAME_BYTES && name->name == inline_name_of(dentry)) {
		/* Short names are in the dentry itself. What is copied beyond the name is overwritten or not sent. */
		to[0] = name->inline_name[0];
		to[1] = name->inline_name[1];
		if (len > SHORT_NAME_BYTES) {
			to[2] = name->inline_name[2];
			to[3] = name->inline_name[3];
		}
	} else if (bpf_probe_read_kernel(to, len, (void *)name->name)) {
		walk->state = PATH_UNREADABLE;
		return 1;
	}
	if (name->parent == dentry) {
		/*
		 * The root of a tree, and not of this mount: a directory that was moved out of the part that is mounted,
		 * or an object that was never in a tree and has a name of its own. Who made a memfd chose what is in that
		 * name, so it is never taken for a path.
		 */
		walk->flags |= FILE_NO_ROOT;
		if (len == 1 && scratch->record[position] == '/') {
			walk->state = PATH_TRUNCATED_PARENTS;
			return 1;
		}
		walk->state = PATH_NO_PLACE;
	}
	scratch->record[position + len] = '/';
	walk->position = position + len + 1;
	return name->parent == dentry;
}

/* One name, or one crossing. Returns 1 at the end. */
static __always_inline long step(struct scratch *scratch)
{
	struct walk *walk = &scratch->walk;
	__u64 dentry = walk->dentry;

	if (dentry == walk->at.root)
		return cross_mount(walk);
	if (bpf_probe_read_kernel(&walk->name, sizeof(walk->name),
				  (void *)dentry + bpf_core_field_offset(struct dentry, d_parent))) {
		walk->state = PATH_UNREADABLE;
		return 1;
	}
	walk->dentry = walk->name.parent;
	return append_name(scratch, dentry, &walk->name);
}

static long walk_step(__u32 index, struct scratch **cell)
{
	return step(*cell);
}

/* From where the walk is to its end. Not static, so that the verifier looks at it once; the result means nothing. */
__noinline int walk_on(struct scratch *scratch)
{
	__u32 index;

	if (!scratch)
		return 0;
#pragma unroll
	for (index = 0; index < STEPS_IN_PLACE; index++)
		if (step(scratch))
			return 0;
	bpf_loop(WALK_STEPS, walk_step, &scratch, 0);
	return 0;
}

/*
 * The first names up to the root of the mount, as long as they are short, without a call. They cannot fill the record.
 * Whatever is not simple is left to the other way. Returns 1 at the end of the walk.
 */
static __always_inline long walk_typed(struct scratch *scratch, struct dentry *dentry)
{
	struct walk *walk = &scratch->walk;
	__u32 index, len, position = walk->position;
	__u64 root = walk->at.root;

#pragma unroll
	for (index = 0; index < TYPED_STEPS; index++) {
		words *from = (void *)dentry + bpf_core_field_offset(struct dentry, d_inode) + sizeof(__u64);
		words *to = (void *)&scratch->record[position & (RECORD_BYTES - 1)];
		struct dentry *parent;

		if ((__u64)dentry == root) {
			walk->position = position;
			return cross_mount(walk);
		}
		parent = dentry->d_parent;
		len = dentry->d_name.len;
		if (!parent || parent == dentry || len > INLINE_NAME_BYTES ||
		    (__u64)dentry->d_name.name != (__u64)from)
			break;
		to[0] = from[0];
		to[1] = from[1];
		if (len > SHORT_NAME_BYTES) {
			to[2] = from[2];
			to[3] = from[3];
		}
		((__u8 *)to)[len] = '/';
		position += len + 1;
		dentry = parent;
	}
	walk->position = position;
	walk->dentry = (__u64)dentry;
	return 0;
}

/*
 * Notes where the paths of a task end; before the first walk of a record. Once for all of them, because each look at the
 * type of one of these pointers costs the verifier a search through all types of the kernel.
 */
static __always_inline void begin_walks(struct scratch *scratch, struct task_struct *task)
{
	struct mount *top = task->nsproxy->mnt_ns->root;
	struct walk *walk = &scratch->walk;

	walk->top = (__u64)top;
	walk->at_top.parent = (__u64)top->mnt_parent;
	walk->at_top.mountpoint = (__u64)top->mnt_mountpoint;
	walk->at_top.root = (__u64)top->mnt.mnt_root;
}

/*
 * Whether the walk ended at the top of a tree of mounts that is in no namespace: one that was taken out of it and still has
 * users, or one that open_tree() or fsmount() made and that was not put anywhere (yet). The latter are in a namespace
 * without a number of its own: 0 up to 6.17 (alloc_mnt_ns() in fs/namespace.c of 6.1.192 and 6.12.117), one for all since
 * (include/uapi/linux/nsfs.h of 6.18). The kernel's own mounts have an error in place of a namespace, which cannot be read.
 */
static __always_inline bool is_detached(struct walk *walk)
{
	__u64 namespace = 0;
	__u32 number = 1;

	if (walk->state != PATH_RESOLVED || walk->mount == walk->top ||
	    bpf_probe_read_kernel(&namespace, sizeof(namespace),
				  (void *)walk->mount + bpf_core_field_offset(struct mount, mnt_ns)))
		return false;
	if (!namespace)
		return true;
	bpf_probe_read_kernel(&number, sizeof(number),
			      (void *)namespace + bpf_core_field_offset(struct mnt_namespace, ns.inum));
	return !number || number == MNT_NS_ANON_INO;
}

/*
 * Goes on from the root of a detached mount to the root of its file system, which is the only place that the file has:
 * the mount shows whatever part of it somebody chose.
 */
static __always_inline void walk_detached(struct scratch *scratch)
{
	struct walk *walk = &scratch->walk;

	walk->dentry = walk->at.root;
	walk->at.root = 0;
	walk_on(scratch);
	/* Only at the root; who ran out of room, or could not read, did not come so far. */
	if (walk->flags & FILE_NO_ROOT)
		walk->state = PATH_DETACHED;
}

/*
 * Writes the path at `start` of the record and describes it in `info`; returns where it ends. `is_typed` says that the
 * verifier knows the type of `dentry`.
 */
static __always_inline __u32 walk_path(struct scratch *scratch, __u32 start, __u64 vfsmount, struct dentry *dentry,
				       struct file_info *info, bool is_typed)
{
	struct walk *walk = &scratch->walk;
	__u32 end;

	walk->position = start;
	walk->end = start + PATH_MAX_BYTES;
	walk->state = PATH_RESOLVED;
	walk->flags = 0;
	enter_mount(walk, vfsmount - bpf_core_field_offset(struct mount, mnt));
	bpf_probe_read_kernel(&info->mount_id, sizeof(info->mount_id),
			      (void *)walk->mount + bpf_core_field_offset(struct mount, mnt_id));
	if (is_typed) {
		if (!walk_typed(scratch, dentry))
			walk_on(scratch);
	} else {
		walk->dentry = (__u64)dentry;
		walk_on(scratch);
	}
	if (is_detached(walk))
		walk_detached(scratch);
	end = walk->position;
	info->path_len = end - start;
	info->path_state = walk->state;
	info->flags |= walk->flags;
	return end;
}

/*
 * The same for what the verifier knows no type of, verified once. Where it begins is in `from` of the scratch memory, in
 * which a pointer becomes a number; a global function takes nothing else.
 */
__noinline int walk_at(struct scratch *scratch, struct file_info *info, __u32 start)
{
	if (!scratch || !info)
		return start;
	return walk_path(scratch, start, scratch->from.mount, (void *)scratch->from.dentry, info, false);
}

#define NS_PER_S 1000000000LL

#define READ_TIMESPEC(out, block, inode, type, field)                                                           \
	({                                                                                                      \
		__s64 _seconds = 0, _nanoseconds = 0;                                                           \
		READ_PART(_seconds, block, inode, type, field.tv_sec);                                          \
		READ_PART(_nanoseconds, block, inode, type, field.tv_nsec);                                     \
		(out) = _seconds * NS_PER_S + _nanoseconds;                                                     \
	})

/* Set in i_ctime_nsec once somebody asked for the time (I_CTIME_QUERIED, since 6.13); no nanosecond needs this bit. */
#define CTIME_QUERIED (1U << 31)

#define READ_SPLIT_TIME(out, block, inode, name)                                                                \
	({                                                                                                      \
		__s64 _seconds = 0;                                                                             \
		__u32 _nanoseconds = 0;                                                                         \
		READ_PART(_seconds, block, inode, struct inode, i_##name##_sec);                                \
		READ_PART(_nanoseconds, block, inode, struct inode, i_##name##_nsec);                           \
		(out) = _seconds * NS_PER_S + (_nanoseconds & ~CTIME_QUERIED);                                  \
	})

static __always_inline void fill_times(struct file_info *info, struct first_bytes *block, struct inode *inode)
{
	if (bpf_core_field_exists(struct inode, i_atime_sec)) {
		READ_SPLIT_TIME(info->access_ns, block, inode, atime);
		READ_SPLIT_TIME(info->modification_ns, block, inode, mtime);
		READ_SPLIT_TIME(info->change_ns, block, inode, ctime);
	} else if (bpf_core_field_exists(struct inode___timespec_hidden, __i_atime)) {
		READ_TIMESPEC(info->access_ns, block, inode, struct inode___timespec_hidden, __i_atime);
		READ_TIMESPEC(info->modification_ns, block, inode, struct inode___timespec_hidden, __i_mtime);
		READ_TIMESPEC(info->change_ns, block, inode, struct inode___timespec_hidden, __i_ctime);
	} else {
		READ_TIMESPEC(info->access_ns, block, inode, struct inode___timespec, i_atime);
		READ_TIMESPEC(info->modification_ns, block, inode, struct inode___timespec, i_mtime);
		if (bpf_core_field_exists(struct inode___timespec, i_ctime))
			READ_TIMESPEC(info->change_ns, block, inode, struct inode___timespec, i_ctime);
		else
			READ_TIMESPEC(info->change_ns, block, inode, struct inode___ctime_hidden, __i_ctime);
	}
}

static __always_inline void fill_filesystem(struct scratch *scratch, struct file_info *info,
					    struct super_block *super_block, struct inode *inode, bool is_typed)
{
	struct first_bytes *block = is_typed ? 0 : &scratch->super_block;
	struct file_system_type *type = 0;
	struct filesystem_name *known;
	__u64 name = 0, upper = 0;

	if (block)
		bpf_probe_read_kernel(block, sizeof(*block), (void *)super_block);
	READ_PART(info->device, block, super_block, struct super_block, s_dev);
	READ_PART(info->magic, block, super_block, struct super_block, s_magic);
	READ_PART(type, block, super_block, struct super_block, s_type);
	known = &scratch->filesystems[(info->magic ^ info->magic >> 8) & (FILESYSTEM_SLOTS - 1)];
	if (known->type != (__u64)type || known->magic != info->magic) {
		bpf_probe_read_kernel(&name, sizeof(name),
				      (void *)type + bpf_core_field_offset(struct file_system_type, name));
		__builtin_memset(known->name, 0, sizeof(known->name));
		bpf_probe_read_kernel_str(known->name, sizeof(known->name), (void *)name);
		known->type = (__u64)type;
		known->magic = info->magic;
	}
	__builtin_memcpy(info->filesystem, known->name, sizeof(info->filesystem));
	if (info->magic == OVERLAYFS_SUPER_MAGIC) {
		/*
		 * struct ovl_inode may be a module's and have no BTF here. The upper dentry follows the inode in it: vfs_inode,
		 * then __upperdentry, in fs/overlayfs/ovl_entry.h of 6.1.192 and 6.12.117.
		 */
		bpf_probe_read_kernel(&upper, sizeof(upper), (void *)inode + bpf_core_type_size(struct inode));
		info->flags |= upper ? FILE_UPPER : FILE_LOWER;
	}
}

static __always_inline void fill_inode(struct scratch *scratch, struct file_info *info, struct inode *inode,
				       bool is_typed)
{
	struct first_bytes *block = is_typed ? 0 : &scratch->inode;
	struct super_block *super_block = 0;

	if (block && bpf_probe_read_kernel(block, sizeof(*block), (void *)inode))
		return;
	READ_PART(info->mode, block, inode, struct inode, i_mode);
	READ_PART(info->uid, block, inode, struct inode, i_uid.val);
	READ_PART(info->gid, block, inode, struct inode, i_gid.val);
	READ_PART(info->nlink, block, inode, struct inode, i_nlink);
	READ_PART(info->inode, block, inode, struct inode, i_ino);
	READ_PART(info->generation, block, inode, struct inode, i_generation);
	READ_PART(super_block, block, inode, struct inode, i_sb);
	fill_times(info, block, inode);
	if (!info->nlink)
		info->flags |= FILE_UNLINKED;
	fill_filesystem(scratch, info, super_block, inode, is_typed);
}

/*
 * The name of a namespace, whose dentry has none: ns_dname() in fs/nsfs.c makes mnt:[4026531841] of what is read here, and
 * so does user space. The inode has the namespace as i_private (6.1.192, 6.12.117 and 6.18).
 */
__noinline int fill_namespace(struct scratch *scratch, struct file_info *info, __u32 start)
{
	struct ns_common *namespace;
	struct inode *inode;
	long length;

	if (!scratch || !info)
		return start;
	inode = (void *)scratch->inode_at;
	namespace = BPF_CORE_READ(inode, i_private);
	length = bpf_probe_read_kernel_str(&scratch->record[start & (RECORD_BYTES - 1)], SHORT_NAME_BYTES,
					   BPF_CORE_READ(namespace, ops, name));
	info->path_state = PATH_NO_PLACE;
	info->path_len = length > 0 ? length - 1 : 0;
	return start + info->path_len;
}

/*
 * Describes an open file, with its path at `start`; returns where that ends. `info` is zero before. `is_typed` says
 * that the verifier knows the type of `file`, which makes this twice as fast.
 */
static __always_inline __u32 fill_file(struct scratch *scratch, __u32 start, struct file_info *info,
				       struct file *file, __u32 *file_flags, bool is_typed)
{
	struct first_bytes *block = is_typed ? 0 : &scratch->file;
	struct vfsmount *vfsmount = 0;
	struct dentry *dentry = 0;
	struct inode *inode = 0;
	__u32 end;

	if (block && bpf_probe_read_kernel(block, sizeof(*block), (void *)file)) {
		info->path_state = PATH_UNREADABLE;
		return start;
	}
	READ_PART(vfsmount, block, file, struct file, f_path.mnt);
	READ_PART(dentry, block, file, struct file, f_path.dentry);
	READ_PART(inode, block, file, struct file, f_inode);
	if (file_flags)
		READ_PART(*file_flags, block, file, struct file, f_flags);
	info->flags = FILE_PRESENT;
	scratch->inode_at = (__u64)inode;
	fill_inode(scratch, info, inode, is_typed);
	end = walk_path(scratch, start, (__u64)vfsmount, dentry, info, is_typed);
	/* One that is bound to a place has that as its path. */
	return info->magic == NSFS_MAGIC && (info->flags & FILE_NO_ROOT) ? fill_namespace(scratch, info, start) : end;
}

/* The same for a bare address, verified once; what the file was opened with goes to `file_flags` of the scratch memory. */
__noinline int fill_file_at(struct scratch *scratch, struct file_info *info, __u64 file, __u32 start)
{
	__u32 flags = 0, end;

	if (!scratch || !info)
		return start;
	end = fill_file(scratch, start, info, (void *)file, &flags, false);
	scratch->file_flags = flags;
	return end;
}
