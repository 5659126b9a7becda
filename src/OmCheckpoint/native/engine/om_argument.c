/* SPDX-License-Identifier: MIT */
#include "om_argument.h"
#include <linux/capability.h>
#include <linux/ioctl.h>

const struct om_reference om_references[] = {
	/* fprog: struct sock_fprog; BPF_MAXINSNS */
	{16, 8, 0, 2, OM_SEGMENT_IN, 8, OM_CUT_WHOLE, 4096},
	/* xattr-in, xattr-out: struct xattr_args; XATTR_SIZE_MAX */
	{16, 0, 8, 4, OM_SEGMENT_IN, 1, OM_CUT_WHOLE, 65536},
	{16, 0, 8, 4, OM_SEGMENT_OUT, 1, OM_CUT_RETURNED, 65536},
	/* ifconf: struct ifconf */
	{16, 8, 0, 4, OM_SEGMENT_OUT, 1, OM_CUT_LENGTH, 65536},
};

bool om_argument_count(const struct om_argument *argument, const uint64_t args[6], uint64_t *count)
{
	switch (argument->size_kind) {
	case OM_SIZE_FIXED:
		*count = 1;
		return true;
	case OM_SIZE_ARGUMENT32:
	case OM_SIZE_IOCTL:
	case OM_SIZE_FDSET:
		*count = (uint32_t)args[argument->size_argument];
		return true;
	case OM_SIZE_ARGUMENT64:
		*count = args[argument->size_argument];
		return true;
	default:
		return false;
	}
}

bool om_argument_bytes(const struct om_argument *argument, uint64_t count, uint32_t *bytes)
{
	uint64_t total;

	switch (argument->size_kind) {
	case OM_SIZE_IOCTL:
		total = _IOC_SIZE(count);
		break;
	case OM_SIZE_FDSET:
		if (count > OM_FDSET_BITS)
			return false;
		total = (count + 63) / 64 * 8;
		break;
	default:
		if (count > OM_CALL_DATA_MAX)
			return false;
		total = argument->base + argument->size * count;
		break;
	}
	if (total > OM_CALL_DATA_MAX)
		return false;
	*bytes = (uint32_t)total;
	return true;
}

uint32_t om_capability_count(uint32_t version)
{
	return version == _LINUX_CAPABILITY_VERSION_1 ? 1 : 2;
}
