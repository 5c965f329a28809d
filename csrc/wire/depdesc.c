#include "wire/depdesc.h"

#include <string.h>

#include "wire/payload/bits.h"

enum { NEXT_TEMPORAL = 1, NEXT_SPATIAL = 2, NO_MORE = 3, TEMPLATE_DIFF_MAX = 16, TEMPLATE_CHAIN_MAX = 15, FRAME_DIFF_MAX = 4096 };

/* --- reading (A.8.2) */

/* ns(n): a number below n, the smaller ones in one bit less. */
static uint32_t get_ns(rtc_bits_t *b, uint32_t n) {
  unsigned w = 0;
  for (uint32_t x = n; x; x >>= 1) w++;
  uint32_t m = (1u << w) - n, v = rtc_bits_get(b, w - 1);
  return v < m ? v : (v << 1) - m + rtc_bits_get(b, 1);
}

static bool get_layers(rtc_bits_t *b, rtc_depdesc_structure_t *s) {
  uint8_t spatial = 0, temporal = 0;
  for (uint32_t next = 0; next != NO_MORE;) {
    if (s->template_n == RTC_DEPDESC_TEMPLATES) return false;
    s->template[s->template_n++] = (rtc_depdesc_place_t){.spatial = spatial, .temporal = temporal};
    next = rtc_bits_get(b, 2);
    if (next == NEXT_TEMPORAL) temporal++;
    if (next == NEXT_SPATIAL) {
      temporal = 0;
      spatial++;
    }
    if (b->bad || spatial == RTC_DEPDESC_SPATIAL || temporal == RTC_DEPDESC_TEMPORAL) return false;
  }
  s->spatial_n = (uint8_t)(spatial + 1);
  return true;
}

static void get_dtis(rtc_bits_t *b, const rtc_depdesc_structure_t *s, rtc_depdesc_place_t *f) {
  for (int i = 0; i < s->target_n; i++) f->dti[i] = (uint8_t)rtc_bits_get(b, 2);
}

static bool add_diff(rtc_depdesc_place_t *f, uint32_t diff) {
  if (f->diff_n == RTC_DEPDESC_DIFFS) return false;
  f->diff[f->diff_n++] = (uint16_t)diff;
  return true;
}

static bool get_template_diffs(rtc_bits_t *b, rtc_depdesc_place_t *f) {
  while (rtc_bits_get(b, 1))
    if (!add_diff(f, rtc_bits_get(b, 4) + 1)) return false;
  return true;
}

static bool get_frame_diffs(rtc_bits_t *b, rtc_depdesc_place_t *f) {
  f->diff_n = 0;
  for (uint32_t size; (size = rtc_bits_get(b, 2));)
    if (!add_diff(f, rtc_bits_get(b, 4 * size) + 1)) return false;
  return true;
}

static void get_chains(rtc_bits_t *b, rtc_depdesc_structure_t *s) {
  s->chain_n = (uint8_t)get_ns(b, s->target_n + 1u);
  if (!s->chain_n) return;
  for (int i = 0; i < s->target_n; i++) s->protected_by[i] = (uint8_t)get_ns(b, s->chain_n);
  for (int t = 0; t < s->template_n; t++)
    for (int i = 0; i < s->chain_n; i++) s->template[t].chain[i] = (uint8_t)rtc_bits_get(b, 4);
}

static bool get_structure(rtc_bits_t *b, rtc_depdesc_structure_t *s) {
  memset(s, 0, sizeof *s);
  s->offset = (uint8_t)rtc_bits_get(b, 6);
  s->target_n = (uint8_t)(rtc_bits_get(b, 5) + 1);
  if (!get_layers(b, s)) return false;
  for (int t = 0; t < s->template_n; t++) get_dtis(b, s, &s->template[t]);
  for (int t = 0; t < s->template_n; t++)
    if (!get_template_diffs(b, &s->template[t])) return false;
  get_chains(b, s);
  s->sized = rtc_bits_get(b, 1);
  for (int i = 0; s->sized && i < s->spatial_n; i++) {
    s->width[i] = rtc_bits_get(b, 16) + 1;
    s->height[i] = rtc_bits_get(b, 16) + 1;
  }
  return !b->bad;
}

static uint8_t place_of(const rtc_depdesc_structure_t *s, uint8_t template) {
  return (uint8_t)((template + RTC_DEPDESC_TEMPLATES - s->offset) % RTC_DEPDESC_TEMPLATES);
}

int rtc_depdesc_look(rtc_depdesc_t *d, const uint8_t *p, size_t n) {
  memset(d, 0, sizeof *d);
  if (n < RTC_DEPDESC_SHORT) return RTC_EPROTO;
  d->start = p[0] & 0x80;
  d->end = p[0] & 0x40;
  d->template = p[0] & 0x3f;
  d->number = (uint16_t)(p[1] << 8 | p[2]);
  d->key = n > RTC_DEPDESC_SHORT && p[3] & 0x80;
  return 0;
}

int rtc_depdesc_parse(rtc_depdesc_t *d, rtc_depdesc_structure_t *s, const uint8_t *p, size_t n) {
  if (rtc_depdesc_look(d, p, n) < 0) return RTC_EPROTO;
  rtc_bits_t b = rtc_bits(p, n);
  rtc_depdesc_structure_t fresh;
  const rtc_depdesc_structure_t *use = s;
  bool dtis = false, diffs = false, chains = false;
  rtc_bits_skip(&b, 8 * RTC_DEPDESC_SHORT);
  if (n > RTC_DEPDESC_SHORT) {
    rtc_bits_skip(&b, 1);
    d->has_active = rtc_bits_get(&b, 1);
    dtis = rtc_bits_get(&b, 1);
    diffs = rtc_bits_get(&b, 1);
    chains = rtc_bits_get(&b, 1);
  }
  if (d->key) {
    if (!get_structure(&b, &fresh)) return RTC_EPROTO;
    use = &fresh;
    d->active = (uint32_t)((1ull << fresh.target_n) - 1);
  }
  if (!use->template_n) return 0; /* what is said of the frame cannot be read */
  if (d->has_active) d->active = rtc_bits_get(&b, use->target_n);
  uint8_t at = place_of(use, d->template);
  if (at >= use->template_n) return RTC_EPROTO;
  d->frame = use->template[at];
  if (dtis) get_dtis(&b, use, &d->frame);
  if (diffs && !get_frame_diffs(&b, &d->frame)) return RTC_EPROTO;
  for (int i = 0; chains && i < use->chain_n; i++) d->frame.chain[i] = (uint8_t)rtc_bits_get(&b, 8);
  if (b.bad) return RTC_EPROTO;
  d->placed = true;
  if (d->key) *s = fresh;
  return 0;
}

/* --- writing */

typedef struct out {
  uint8_t *p;
  size_t cap, at; /* bits */
  bool full;
} out_t;

static void put(out_t *o, uint32_t v, unsigned n) {
  if (n > o->cap - o->at) {
    o->full = true;
    return;
  }
  for (; n > 0; n--, o->at++) {
    uint8_t bit = (uint8_t)(1u << (7 - (o->at & 7)));
    if (!(o->at & 7)) o->p[o->at >> 3] = 0;
    if (v >> (n - 1) & 1) o->p[o->at >> 3] |= bit;
  }
}

static void put_ns(out_t *o, uint32_t v, uint32_t n) {
  unsigned w = 0;
  for (uint32_t x = n; x; x >>= 1) w++;
  uint32_t m = (1u << w) - n;
  if (v < m)
    put(o, v, w - 1);
  else
    put(o, v + m, w);
}

static void put_structure(out_t *o, const rtc_depdesc_structure_t *s) {
  put(o, s->offset, 6);
  put(o, s->target_n - 1u, 5);
  for (int t = 0; t < s->template_n; t++) {
    const rtc_depdesc_place_t *f = &s->template[t], *next = f + 1;
    bool last = t + 1 == s->template_n;
    put(o, last ? NO_MORE : next->spatial != f->spatial ? NEXT_SPATIAL : next->temporal != f->temporal ? NEXT_TEMPORAL : 0, 2);
  }
  for (int t = 0; t < s->template_n; t++)
    for (int i = 0; i < s->target_n; i++) put(o, s->template[t].dti[i], 2);
  for (int t = 0; t < s->template_n; t++) {
    const rtc_depdesc_place_t *f = &s->template[t];
    for (int i = 0; i < f->diff_n; i++) put(o, 1u << 4 | (f->diff[i] - 1u), 5);
    put(o, 0, 1);
  }
  put_ns(o, s->chain_n, s->target_n + 1u);
  for (int i = 0; s->chain_n && i < s->target_n; i++) put_ns(o, s->protected_by[i], s->chain_n);
  for (int t = 0; t < s->template_n; t++)
    for (int i = 0; i < s->chain_n; i++) put(o, s->template[t].chain[i], 4);
  put(o, s->sized, 1);
  for (int i = 0; s->sized && i < s->spatial_n; i++) {
    put(o, s->width[i] - 1, 16);
    put(o, s->height[i] - 1, 16);
  }
}

static bool same_diffs(const rtc_depdesc_place_t *a, const rtc_depdesc_place_t *b) {
  return a->diff_n == b->diff_n && memcmp(a->diff, b->diff, a->diff_n * sizeof a->diff[0]) == 0;
}

/* The template that leaves least to say, in bits; -1: none has its layers. */
static int nearest(const rtc_depdesc_structure_t *s, const rtc_depdesc_place_t *f) {
  int found = -1, least = 0;
  for (int t = 0; t < s->template_n; t++) {
    const rtc_depdesc_place_t *m = &s->template[t];
    if (m->spatial != f->spatial || m->temporal != f->temporal) continue;
    int more = memcmp(m->dti, f->dti, s->target_n) ? 2 * s->target_n : 0;
    if (!same_diffs(m, f)) more += 2 + 6 * f->diff_n;
    if (memcmp(m->chain, f->chain, s->chain_n)) more += 8 * s->chain_n;
    if (found >= 0 && more >= least) continue;
    found = t;
    least = more;
  }
  return found;
}

static void put_frame_diffs(out_t *o, const rtc_depdesc_place_t *f) {
  for (int i = 0; i < f->diff_n; i++) {
    uint32_t less = f->diff[i] - 1u, size = less < 1u << 4 ? 1 : less < 1u << 8 ? 2 : 3;
    put(o, size, 2);
    put(o, less, 4 * size);
  }
  put(o, 0, 2);
}

static bool sound_place(const rtc_depdesc_place_t *f, uint32_t most) {
  if (f->diff_n > RTC_DEPDESC_DIFFS) return false;
  for (int i = 0; i < f->diff_n; i++)
    if (f->diff[i] < 1 || f->diff[i] > most) return false;
  return true;
}

/* Whether its templates are in the order that can be written, and every number has room. */
static bool sound(const rtc_depdesc_structure_t *s) {
  if (s->template_n < 1 || s->template_n > RTC_DEPDESC_TEMPLATES || s->target_n < 1 || s->target_n > RTC_DEPDESC_TARGETS) return false;
  if (s->chain_n > s->target_n || s->offset >= RTC_DEPDESC_TEMPLATES) return false;
  uint8_t spatial = 0, temporal = 0;
  for (int t = 0; t < s->template_n; t++) {
    const rtc_depdesc_place_t *f = &s->template[t];
    bool up = t && f->temporal == temporal + 1 && f->spatial == spatial, over = t && f->temporal == 0 && f->spatial == spatial + 1;
    if (!up && !over && (f->temporal != temporal || f->spatial != spatial)) return false;
    if (!sound_place(f, TEMPLATE_DIFF_MAX)) return false;
    for (int i = 0; i < s->chain_n; i++)
      if (f->chain[i] > TEMPLATE_CHAIN_MAX) return false;
    spatial = f->spatial;
    temporal = f->temporal;
  }
  return spatial + 1 == s->spatial_n && s->spatial_n <= RTC_DEPDESC_SPATIAL && temporal < RTC_DEPDESC_TEMPORAL;
}

int rtc_depdesc_write(const rtc_depdesc_t *d, const rtc_depdesc_structure_t *s, uint8_t *out, size_t cap) {
  if (!sound(s) || !sound_place(&d->frame, FRAME_DIFF_MAX)) return RTC_EINVAL;
  int t = nearest(s, &d->frame);
  if (t < 0) return RTC_EINVAL;
  const rtc_depdesc_place_t *f = &d->frame, *m = &s->template[t];
  out_t o = {.p = out, .cap = 8 * (cap < RTC_DEPDESC_LONG ? cap : RTC_DEPDESC_LONG)};
  bool dtis = memcmp(m->dti, f->dti, s->target_n) != 0, diffs = !same_diffs(m, f), chains = memcmp(m->chain, f->chain, s->chain_n) != 0;
  put(&o, d->start, 1);
  put(&o, d->end, 1);
  put(&o, (uint32_t)(t + s->offset) % RTC_DEPDESC_TEMPLATES, 6);
  put(&o, d->number, 16);
  if (d->key || d->has_active || dtis || diffs || chains) {
    put(&o, (uint32_t)d->key << 4 | (uint32_t)d->has_active << 3 | (uint32_t)dtis << 2 | (uint32_t)diffs << 1 | chains, 5);
    if (d->key) put_structure(&o, s);
    if (d->has_active) put(&o, d->active, s->target_n);
    for (int i = 0; dtis && i < s->target_n; i++) put(&o, f->dti[i], 2);
    if (diffs) put_frame_diffs(&o, f);
    for (int i = 0; chains && i < s->chain_n; i++) put(&o, f->chain[i], 8);
  }
  return o.full ? RTC_ENOBUFS : (int)((o.at + 7) / 8);
}

/* --- ours */

static void set_dtis(rtc_depdesc_place_t *f, uint8_t targets, uint8_t tid, rtc_dti_t dti) {
  for (uint8_t i = 0; i < targets; i++) f->dti[i] = i < tid ? RTC_DTI_NOT_PRESENT : (uint8_t)dti;
}

void rtc_depdesc_layers(rtc_depdesc_structure_t *s, uint8_t layers, rtc_picture_size_t size) {
  static const struct {
    uint8_t tid, diff, dti; /* its last one of the lowest layer is as far as what it depends on */
  } rows[3][4] = {
      {{0, 0, RTC_DTI_SWITCH}, {0, 1, RTC_DTI_SWITCH}},
      {{0, 0, RTC_DTI_SWITCH}, {0, 2, RTC_DTI_SWITCH}, {1, 1, RTC_DTI_DISCARDABLE}},
      {{0, 0, RTC_DTI_SWITCH}, {0, 4, RTC_DTI_SWITCH}, {1, 2, RTC_DTI_SWITCH}, {2, 1, RTC_DTI_DISCARDABLE}},
  };
  layers = layers < 1 ? 1 : layers > 3 ? 3 : layers;
  memset(s, 0, sizeof *s);
  s->template_n = (uint8_t)(layers + 1);
  s->target_n = layers;
  s->chain_n = s->spatial_n = 1;
  for (int t = 0; t < s->template_n; t++) {
    rtc_depdesc_place_t *f = &s->template[t];
    f->temporal = rows[layers - 1][t].tid;
    f->chain[0] = rows[layers - 1][t].diff;
    if (f->chain[0]) (void)add_diff(f, f->chain[0]);
    set_dtis(f, layers, f->temporal, (rtc_dti_t)rows[layers - 1][t].dti);
  }
  s->sized = size.width && size.height;
  s->width[0] = size.width;
  s->height[0] = size.height;
}

void rtc_depdesc_place(rtc_depdesc_place_t *f, const rtc_depdesc_structure_t *s, bool key, const rtc_layer_t *layer, uint16_t since) {
  *f = (rtc_depdesc_place_t){0};
  if (layer && !key && layer->tid) f->temporal = layer->tid < s->target_n ? layer->tid : (uint8_t)(s->target_n - 1);
  const bool lone = !layer || !layer->refs;
  for (int i = 0; layer && !key && i < layer->refs && i < RTC_LAYER_REFS; i++) (void)add_diff(f, layer->ref[i]);
  if (lone && !key) (void)add_diff(f, 1);
  if (!key) f->chain[0] = since < UINT8_MAX ? (uint8_t)since : 0; /* 0: the chain begins anew, as far as can be said */
  const bool apart = !f->temporal || layer->sync;                 /* who has the lowest layer may go on from here */
  set_dtis(f, s->target_n, f->temporal, layer && layer->droppable ? RTC_DTI_DISCARDABLE : apart ? RTC_DTI_SWITCH : RTC_DTI_REQUIRED);
}
