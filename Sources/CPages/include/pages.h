#pragma once
#include <stddef.h>

/// A file of `templates/`, as it was when the program was built.
struct page_file {
    const char *name;
    const unsigned char *bytes;
    size_t count;
};

/// The file at `index`, from 0; NULL behind the last one.
const struct page_file *page_file_at(size_t index);
