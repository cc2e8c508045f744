/* The C library of a rule that has none: blocks of powers of two, each size with its own list of free ones. Memory that was asked of the host is
   kept; as much as one call needs is enough for all. Nobody gets NULL: what cannot be had is a trap. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 65536
#define SMALLEST 4 /* 16 bytes: as much as the head of a block, so that what is handed out lies at a multiple of 16 */
#define LARGEST 30

typedef struct block {
  uint32_t class;
  struct block *next;
} __attribute__((aligned(16))) block;

static block *spare[LARGEST + 1];
extern uint8_t __heap_base; /* given by the linker */
static uintptr_t top, end;

static void *fresh(size_t size) {
  if (!end) {
    top = ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15;
    end = (uintptr_t)__builtin_wasm_memory_size(0) * PAGE;
  }
  if (size > end - top) {
    size_t pages = (size - (end - top) + PAGE - 1) / PAGE;
    if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1) abort(); /* its limit: the host sees a trap */
    end += pages * PAGE;
  }
  void *block = (void *)top;
  top += size;
  return block;
}

void *malloc(size_t size) {
  uint32_t class = SMALLEST;
  while (class <= LARGEST && ((size_t)1 << class) < size) class++;
  if (class > LARGEST) abort();
  block *taken = spare[class];
  if (taken) {
    spare[class] = taken->next;
  } else {
    taken = fresh(sizeof(block) + ((size_t)1 << class));
    taken->class = class;
  }
  return taken + 1;
}

/* Counts are those of a rule: no product of them runs over. */
void *calloc(size_t count, size_t size) {
  return memset(malloc(count * size), 0, count * size);
}

void free(void *given) {
  if (!given) return;
  block *back = (block *)given - 1;
  back->next = spare[back->class];
  spare[back->class] = back;
}

void *realloc(void *given, size_t size) {
  if (!given) return malloc(size);
  size_t room = (size_t)1 << ((block *)given - 1)->class;
  if (size <= room) return given;
  void *larger = malloc(size);
  memcpy(larger, given, room);
  free(given);
  return larger;
}

_Noreturn void abort(void) { __builtin_trap(); }

/* Byte by byte: asking the compiler for its own would have it call these. */
__attribute__((no_builtin)) void *memcpy(void *to, const void *from, size_t size) {
  for (size_t i = 0; i < size; i++) ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
  return to;
}

__attribute__((no_builtin)) void *memset(void *to, int byte, size_t size) {
  for (size_t i = 0; i < size; i++) ((uint8_t *)to)[i] = (uint8_t)byte;
  return to;
}

__attribute__((no_builtin)) size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length]) length++;
  return length;
}
