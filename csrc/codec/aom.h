/* aom: AV1 by libaom, one encoder with its newest packet, set up as live pictures want it: one pass at a constant rate, no picture
 * waits for another. Bitrate and frame rate change from one picture to the next without a key frame. Another size begins with one,
 * whose sequence header says it, and so does another kind of picture: libaom is opened again for both. Knows neither RTP nor a
 * clock: how far pictures are apart is told by rtc_aom_set_rate, pts is only carried. Without libaom nothing opens. */
#ifndef RTC_CODEC_AOM_H
#define RTC_CODEC_AOM_H

#include "codec/video.h"

typedef struct rtc_aom rtc_aom_t;

/* The version as libaom says it, like "v3.6.0": its length. RTC_ESTATE when this was built without libaom, or it is not here now. */
RTC_MUST_USE int rtc_aom_version(char *out, size_t cap);

/* NULL: RTC_EINVAL beyond what is said in video.h, RTC_ENOMEM, RTC_ESTATE without libaom. */
rtc_aom_t *rtc_aom_new(const rtc_video_cfg_t *cfg, int *err);
void rtc_aom_free(rtc_aom_t *e); /* NULL is fine */

/* From the next picture on; no key frame. RTC_EINVAL and nothing has changed. */
RTC_MUST_USE int rtc_aom_set_rate(rtc_aom_t *e, uint32_t bitrate_bps, double fps);
/* Of the next pictures. 1: the next one will be a key frame, as it is after each change; 0 when there is none; RTC_EINVAL. */
RTC_MUST_USE int rtc_aom_set_size(rtc_aom_t *e, uint32_t width, uint32_t height);
/* The next one will be a key frame then. */
RTC_MUST_USE int rtc_aom_set_screen(rtc_aom_t *e, bool on);

/* 1: *out is the picture's packet, OBUs that have their sizes, without a temporal delimiter, with a sequence header in each key
 * frame; 0: the picture was left out. RTC_EINVAL for strides below the width. */
RTC_MUST_USE int rtc_aom_encode(rtc_aom_t *e, const rtc_video_picture_t *picture, int64_t pts, bool key, rtc_video_packet_t *out);

#endif
