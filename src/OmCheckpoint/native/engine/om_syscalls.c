/* SPDX-License-Identifier: MIT */
#include "om_syscalls.h"

struct om_condition {
	uint8_t argument;
	uint64_t mask;
	uint64_t value;
};

struct om_variant {
	uint16_t entry;
	uint16_t condition_count;
	struct om_condition conditions[2];
};

#include "om_syscalls.inc"

const unsigned int om_syscall_numbers = sizeof(om_by_number) / sizeof(om_by_number[0]);

static const struct om_syscall om_unknown = {
	.name = "?", .number = -1, .restart = 513, .socket_argument = OM_NO_ARGUMENT};

const struct om_syscall *om_syscall_entry(int64_t number)
{
	if (number < 0 || number >= om_syscall_numbers || om_by_number[number] == UINT16_MAX)
		return &om_unknown;
	return &om_entries[om_by_number[number]];
}

static bool matches(const struct om_variant *variant, const uint64_t args[6])
{
	for (unsigned int i = 0; i < variant->condition_count; i++) {
		const struct om_condition *condition = &variant->conditions[i];

		if ((args[condition->argument] & condition->mask) != condition->value)
			return false;
	}
	return true;
}

const struct om_syscall *om_syscall_of(int64_t number, const uint64_t args[6])
{
	const struct om_syscall *syscall = om_syscall_entry(number);

	for (unsigned int i = 0; i < syscall->variant_count; i++) {
		const struct om_variant *variant = &om_variants[syscall->first_variant + i];

		if (matches(variant, args))
			return &om_entries[variant->entry];
	}
	return syscall;
}

const struct om_argument *om_syscall_arguments(const struct om_syscall *syscall)
{
	return &om_arguments[syscall->first_argument];
}
