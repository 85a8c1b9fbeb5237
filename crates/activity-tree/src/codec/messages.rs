//! Messages without nodes in them: processes, files, rules, requests to metadata services (spec 6.2).

use super::wire::{Field, Reader, WireError, Writer};
use crate::model::{AwsCredentials, AwsImds, Credentials, FileInfo, Imds, MatchedRule, Open, Process, Times};

/// Calls `each` for every field of a message.
pub(crate) fn fields<'a, E: From<WireError>>(
    mut reader: Reader<'a>,
    mut each: impl FnMut(Field<'a>) -> Result<(), E>,
) -> Result<(), E> {
    while let Some(field) = reader.next()? {
        each(field)?;
    }
    Ok(())
}

pub(crate) fn write_process(w: &mut Writer, process: &Process) {
    w.number(1, process.pid);
    w.number(2, process.tid);
    w.number(3, process.ppid);
    w.number(5, process.is_thread);
    let file = w.open(6);
    write_file(w, &process.file);
    w.close(file);
    w.text(7, &process.container_id);
    w.text(10, &process.tty);
    w.text(11, &process.comm);
    w.number(12, process.fork_time);
    w.number(13, process.exit_time);
    w.number(14, process.exec_time);
    let credentials = w.open(15);
    write_credentials(w, &process.credentials);
    w.close(credentials);
    process.args.iter().for_each(|arg| w.always(16, arg));
    w.text(17, &process.argv0);
    w.number(18, process.args_truncated);
    process.envs.iter().for_each(|env| w.always(19, env));
    w.number(20, process.envs_truncated);
    w.number(21, process.is_exec);
    w.number(22, process.cookie);
}

pub(crate) fn read_process(process: &mut Process, reader: Reader<'_>) -> Result<(), WireError> {
    fields(reader, |field| {
        match field.number {
            1 => process.pid = field.u32()?,
            2 => process.tid = field.u32()?,
            3 => process.ppid = field.u32()?,
            // The old cookie had 32 bits.
            4 if process.cookie == 0 => process.cookie = field.u32()?.into(),
            5 => process.is_thread = field.bool()?,
            6 => {
                let mut file = std::mem::take(&mut process.file);
                read_file(&mut file, field.reader()?)?;
                process.file = file.into_owned();
            }
            7 => process.container_id = field.string()?,
            10 => process.tty = field.string()?,
            11 => process.comm = field.string()?,
            12 => process.fork_time = field.u64()?,
            13 => process.exit_time = field.u64()?,
            14 => process.exec_time = field.u64()?,
            15 => read_credentials(&mut process.credentials, field.reader()?)?,
            16 => process.args.push(field.string()?),
            17 => process.argv0 = field.string()?,
            18 => process.args_truncated = field.bool()?,
            19 => process.envs.push(field.string()?),
            20 => process.envs_truncated = field.bool()?,
            21 => process.is_exec = field.bool()?,
            22 => process.cookie = field.u64()?,
            _ => {}
        }
        Ok(())
    })
}

fn write_credentials(w: &mut Writer, c: &Credentials) {
    w.number(1, c.uid);
    w.number(2, c.gid);
    w.text(3, &c.user);
    w.text(4, &c.group);
    w.number(5, c.effective_uid);
    w.number(6, c.effective_gid);
    w.text(7, &c.effective_user);
    w.text(8, &c.effective_group);
    w.number(9, c.fs_uid);
    w.number(10, c.fs_gid);
    w.text(11, &c.fs_user);
    w.text(12, &c.fs_group);
    w.number(13, c.cap_effective);
    w.number(14, c.cap_permitted);
}

fn read_credentials(c: &mut Credentials, reader: Reader<'_>) -> Result<(), WireError> {
    fields(reader, |field| {
        match field.number {
            1 => c.uid = field.u32()?,
            2 => c.gid = field.u32()?,
            3 => c.user = field.string()?,
            4 => c.group = field.string()?,
            5 => c.effective_uid = field.u32()?,
            6 => c.effective_gid = field.u32()?,
            7 => c.effective_user = field.string()?,
            8 => c.effective_group = field.string()?,
            9 => c.fs_uid = field.u32()?,
            10 => c.fs_gid = field.u32()?,
            11 => c.fs_user = field.string()?,
            12 => c.fs_group = field.string()?,
            13 => c.cap_effective = field.u64()?,
            14 => c.cap_permitted = field.u64()?,
            _ => {}
        }
        Ok(())
    })
}

pub(crate) fn write_file(w: &mut Writer, file: &FileInfo<'_>) {
    w.number(1, file.uid);
    w.text(2, &file.user);
    w.number(3, file.gid);
    w.text(4, &file.group);
    w.number(5, file.mode);
    w.number(6, file.ctime);
    w.number(7, file.mtime);
    w.number(8, file.mount_id);
    w.number(9, file.inode);
    w.number(10, file.in_upper_layer);
    w.text(11, &file.path);
    w.text(12, &file.basename);
    w.text(13, &file.filesystem);
    let package = &file.package;
    w.text(14, &package.name);
    w.text(15, &package.version);
    w.text(16, &package.source_version);
    file.hashes.iter().for_each(|hash| w.always(17, hash));
    w.number(18, file.hash_state);
    w.optional(19, package.epoch);
    if let Some(release) = &package.release {
        w.always(20, release);
    }
    w.optional(21, package.source_epoch);
    if let Some(release) = &package.source_release {
        w.always(22, release);
    }
}

pub(crate) fn read_file<'a>(file: &mut FileInfo<'a>, reader: Reader<'a>) -> Result<(), WireError> {
    fields(reader, |field| {
        let package = &mut file.package;
        match field.number {
            1 => file.uid = field.u32()?,
            2 => file.user = field.text()?,
            3 => file.gid = field.u32()?,
            4 => file.group = field.text()?,
            5 => file.mode = field.u32()?,
            6 => file.ctime = field.u64()?,
            7 => file.mtime = field.u64()?,
            8 => file.mount_id = field.u32()?,
            9 => file.inode = field.u64()?,
            10 => file.in_upper_layer = field.bool()?,
            11 => file.path = field.text()?,
            12 => file.basename = field.text()?,
            13 => file.filesystem = field.text()?,
            14 => package.name = field.text()?,
            15 => package.version = field.text()?,
            16 => package.source_version = field.text()?,
            17 => file.hashes.push(field.text()?),
            18 => file.hash_state = field.u32()?,
            19 => package.epoch = Some(field.u32()?),
            20 => package.release = Some(field.text()?),
            21 => package.source_epoch = Some(field.u32()?),
            22 => package.source_release = Some(field.text()?),
            _ => {}
        }
        Ok(())
    })
}

pub(crate) fn write_open(w: &mut Writer, open: Open) {
    w.signed(1, open.retval);
    w.number(2, open.flags);
    w.number(3, open.mode);
}

pub(crate) fn read_open(open: &mut Open, reader: Reader<'_>) -> Result<(), WireError> {
    fields(reader, |field| {
        match field.number {
            1 => open.retval = field.signed()?,
            2 => open.flags = field.u32()?,
            3 => open.mode = field.u32()?,
            _ => {}
        }
        Ok(())
    })
}

/// A rule as a message: equal rules are equal bytes.
pub(crate) fn rule_bytes(rule: &MatchedRule) -> Vec<u8> {
    let mut w = Writer::default();
    w.text(1, &rule.rule_id);
    w.text(2, &rule.rule_version);
    w.text(3, &rule.policy_name);
    w.text(4, &rule.policy_version);
    for (key, value) in &rule.rule_tags {
        let entry = w.open(5);
        w.always(1, key);
        w.always(2, value);
        w.close(entry);
    }
    w.into_bytes()
}

pub(crate) fn read_rule(reader: Reader<'_>) -> Result<MatchedRule, WireError> {
    let mut rule = MatchedRule::default();
    fields(reader, |field| {
        match field.number {
            1 => rule.rule_id = field.string()?,
            2 => rule.rule_version = field.string()?,
            3 => rule.policy_name = field.string()?,
            4 => rule.policy_version = field.string()?,
            5 => {
                let (key, value) = read_entry(field.reader()?)?;
                rule.rule_tags.insert(key, value);
            }
            _ => {}
        }
        Ok::<_, WireError>(())
    })?;
    Ok(rule)
}

fn read_entry(reader: Reader<'_>) -> Result<(String, String), WireError> {
    let (mut key, mut value) = (String::new(), String::new());
    fields(reader, |field| {
        match field.number {
            1 => key = field.string()?,
            2 => value = field.string()?,
            _ => {}
        }
        Ok::<_, WireError>(())
    })?;
    Ok((key, value))
}

/// A request as a message: equal requests are equal bytes.
pub(crate) fn imds_bytes(imds: &Imds) -> Vec<u8> {
    let mut w = Writer::default();
    w.text(1, &imds.kind);
    w.text(2, &imds.cloud_provider);
    w.text(3, &imds.url);
    w.text(4, &imds.host);
    w.text(5, &imds.user_agent);
    w.text(6, &imds.server);
    if let Some(aws) = &imds.aws {
        let open = w.open(7);
        w.number(1, aws.is_imds_v2);
        if let Some(credentials) = &aws.credentials {
            let open = w.open(2);
            w.text(1, &credentials.code);
            w.text(2, &credentials.kind);
            w.text(3, &credentials.access_key_id);
            w.text(4, &credentials.last_updated);
            w.text(5, &credentials.expiration_raw);
            w.close(open);
        }
        w.close(open);
    }
    w.into_bytes()
}

pub(crate) fn read_imds(imds: &mut Imds, reader: Reader<'_>) -> Result<(), WireError> {
    fields(reader, |field| {
        match field.number {
            1 => imds.kind = field.string()?,
            2 => imds.cloud_provider = field.string()?,
            3 => imds.url = field.string()?,
            4 => imds.host = field.string()?,
            5 => imds.user_agent = field.string()?,
            6 => imds.server = field.string()?,
            7 => read_aws(imds.aws.get_or_insert_default(), field.reader()?)?,
            _ => {}
        }
        Ok(())
    })
}

fn read_aws(aws: &mut AwsImds, reader: Reader<'_>) -> Result<(), WireError> {
    fields(reader, |field| {
        match field.number {
            1 => aws.is_imds_v2 = field.bool()?,
            2 => read_aws_credentials(aws.credentials.get_or_insert_default(), field.reader()?)?,
            _ => {}
        }
        Ok(())
    })
}

fn read_aws_credentials(credentials: &mut AwsCredentials, reader: Reader<'_>) -> Result<(), WireError> {
    fields(reader, |field| {
        match field.number {
            1 => credentials.code = field.string()?,
            2 => credentials.kind = field.string()?,
            3 => credentials.access_key_id = field.string()?,
            4 => credentials.last_updated = field.string()?,
            5 => credentials.expiration_raw = field.string()?,
            _ => {}
        }
        Ok(())
    })
}

/// `NodeBase`: calls `each` for every tag.
pub(crate) fn read_seen(reader: Reader<'_>, mut each: impl FnMut(String, Times)) -> Result<(), WireError> {
    fields(reader, |field| {
        if field.number == 1 {
            let (mut tag, mut times) = (String::new(), Times::default());
            fields(field.reader()?, |field| {
                match field.number {
                    1 => tag = field.string()?,
                    2 => fields(field.reader()?, |field| {
                        match field.number {
                            1 => times.first = field.u64()?,
                            2 => times.last = field.u64()?,
                            _ => {}
                        }
                        Ok::<_, WireError>(())
                    })?,
                    _ => {}
                }
                Ok::<_, WireError>(())
            })?;
            each(tag, times);
        }
        Ok(())
    })
}
