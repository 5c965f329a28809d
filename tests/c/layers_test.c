#include "codec/layers.h"

#include "check.h"

/* A row a frame: its layer, Y, whether it may be left out, and how far back are those that it was made from. */
typedef struct row {
  uint8_t tid, sync, droppable;
  const char *refs;
} row_t;

static const char *refs_of(const rtc_layer_frame_t *f) {
  static char text[64];
  text[0] = 0;
  for (int i = 0; i < f->refs; i++) snprintf(text + strlen(text), sizeof text - strlen(text), i ? " %d" : "%d", f->ref[i]);
  return text;
}

static void go(rtc_layers_t *l, bool key, const row_t *want) {
  rtc_layer_frame_t f, again;
  rtc_layers_next(l, key, &f);
  rtc_layers_next(l, key, &again); /* asking changes nothing */
  CHECK_MEM(&f, &again, sizeof f);
  CHECK_EQ(f.tid, want->tid);
  CHECK_EQ(f.sync, want->sync);
  CHECK_EQ(f.droppable, want->droppable);
  if (strcmp(refs_of(&f), want->refs) != 0) fprintf(stderr, "frame %lld: refs %s, not %s\n", (long long)l->frames, refs_of(&f), want->refs);
  CHECK(strcmp(refs_of(&f), want->refs) == 0);
  rtc_layers_commit(l, &f);
}

static const row_t key = {0, 0, 0, ""};

static void test_patterns(void) {
  static const row_t one[] = {{0, 0, 0, "1"}, {0, 0, 0, "1"}, {0, 0, 0, "1"}, {0, 0, 0, "1"}};
  static const row_t two[] = {{1, 1, 1, "1"}, {0, 0, 0, "2"}, {1, 1, 1, "1"}, {0, 0, 0, "2"}};
  static const row_t three[] = {{2, 1, 1, "1"}, {1, 1, 0, "2"}, {2, 0, 1, "1 3"}, {0, 0, 0, "4"}};
  static const row_t *const all[] = {one, two, three};
  for (uint8_t count = 1; count <= 3; count++) {
    rtc_layers_t l;
    rtc_layers_init(&l, count);
    for (int keys = 0; keys < 9; keys++) { /* a key frame begins the pattern wherever it was */
      go(&l, true, &key);
      for (int i = 0; i < 12 + keys; i++) go(&l, false, &all[count - 1][i % 4]);
    }
  }
}

/* Frames of another size are made from the newest of the lowest layer alone, and no later one from any before them. */
static void test_begin(void) {
  rtc_layers_t l;
  rtc_layers_init(&l, 3);
  go(&l, true, &key);
  for (int before = 0; before < 8; before++) {
    static const row_t pattern[] = {{2, 1, 1, "1"}, {1, 1, 0, "2"}, {2, 0, 1, "1 3"}, {0, 0, 0, "4"}};
    for (int i = 0; i < before; i++) go(&l, false, &pattern[i % 4]);
    rtc_layers_begin(&l);
    char back[4];
    snprintf(back, sizeof back, "%d", before % 4 + 1);
    go(&l, false, &(row_t){0, 0, 0, back});
    rtc_layer_frame_t f;
    rtc_layers_next(&l, false, &f);
    CHECK_EQ(f.tid, 2);
    for (int i = 0; i < 4; i++) go(&l, false, &pattern[i]);
  }
  rtc_layers_init(&l, 1);
  go(&l, true, &key);
  rtc_layer_frame_t f;
  rtc_layers_next(&l, false, &f);
  CHECK(f.free);
  rtc_layers_begin(&l);
  rtc_layers_next(&l, false, &f);
  CHECK(!f.free && f.uses == RTC_BUF_LAST && f.updates == RTC_BUF_ALL);
  rtc_layers_commit(&l, &f);
  rtc_layers_next(&l, false, &f);
  CHECK(f.free);
}

static void test_decimators(void) {
  static const uint8_t want[3][3] = {{1, 1, 1}, {2, 1, 1}, {4, 2, 1}};
  for (uint8_t count = 1; count <= 3; count++) {
    rtc_layers_t l;
    rtc_layers_init(&l, count);
    for (uint8_t tid = 0; tid < 3; tid++) CHECK_EQ(rtc_layers_decimator(&l, tid), want[count - 1][tid]);
  }
  rtc_layers_t l;
  rtc_layers_init(&l, 0);
  CHECK_EQ(l.count, 1);
  rtc_layers_init(&l, 200);
  CHECK_EQ(l.count, RTC_LAYERS_MAX);
}

int main(void) {
  RUN(test_patterns);
  RUN(test_begin);
  RUN(test_decimators);
  return CHECK_END();
}
