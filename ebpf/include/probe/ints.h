/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
/* Fixed-width integers under the kernel's names, so that no system header is needed for `-target bpf`. */
#pragma once

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef signed short __s16;
typedef unsigned int __u32;
typedef signed int __s32;
typedef unsigned long long __u64;
typedef signed long long __s64;

_Static_assert(sizeof(__u16) == 2 && sizeof(__u32) == 4 && sizeof(__u64) == 8, "integer widths");
