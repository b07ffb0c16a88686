// SPDX-License-Identifier: Apache-2.0

#ifndef C_ALLOCATION_COUNTER_H
#define C_ALLOCATION_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

/// Whether allocations are counted: with glibc, and without a sanitizer, which has an allocator of its own.
bool allocation_counter_works(void);

/// How many blocks of memory this process has allocated or resized so far, by whatever code and on whatever thread.
uint64_t allocation_count(void);

/// Marks the end of a section for callgrind, which writes out what it has counted whenever this is called.
void end_measured_section(void);

#endif
