/* One tradable instrument as the hot code sees it: filled once at start from the instrument table, never shared. */
#ifndef LOCKSTEP_INSTRUMENT_H
#define LOCKSTEP_INSTRUMENT_H
#include <stdint.h>

#define MARKET_SPOT 1u
#define MARKET_LINEAR 2u

#define ACCOUNTS_PER_VENUE 4u
#define ACCOUNT_UNIFIED 3u     /* one pot for all markets; else the pot has the market's number */

typedef struct {
    int64_t tick_px;       /* price step, px scale, > 0 */
    int64_t lot_qty;       /* size step in base units, qty scale, > 0 (a futures contract is converted by the table) */
    int64_t min_qty;
    int64_t max_qty;       /* INT64_MAX = no bound */
    int64_t min_px;
    int64_t max_px;        /* INT64_MAX = no bound */
    int64_t min_notional;  /* quote, px_scale + qty_scale; 0 = none */
    int64_t contract_qty;  /* base units of one contract, qty scale; = lot_qty on spot */
    int64_t size_mul;      /* the venue's size in its own decimals (size_scale) * this = qty; 1 where it states base units */
    int64_t venue_code;    /* number by which the venue's order entry knows it (OKX instIdCode); 0 = by symbol */
    double px_unit;        /* 10**-px_scale */
    double qty_unit;       /* 10**-qty_scale */
    double taker_fee;      /* fraction, 0.001 = 10 bps */
    double maker_fee;
    uint32_t taker_fee_e8;
    uint32_t maker_fee_e8;
    uint32_t instrument_id;
    uint32_t venue_id;     /* index in the run's list of venues */
    uint32_t market;       /* MARKET_* */
    uint32_t base_asset;   /* small integers of the run's asset list */
    uint32_t quote_asset;
    uint32_t settle_asset; /* = quote_asset on spot */
    uint32_t is_tradable;  /* status TRADING at load */
    int32_t px_scale;      /* decimals: price = px / 10**px_scale */
    int32_t qty_scale;
    uint32_t fee_in_base;  /* 1 = a buy's fee is charged in base (spot), 0 = always in quote/settle */
    uint32_t multiplier;   /* underlying units in one base unit: 1000 for 1000SHIB */
    uint32_t underlying_asset;
    int32_t size_scale;    /* decimals in which the venue states sizes; = qty_scale unless it counts contracts */
    uint32_t account_id;   /* venue_id * ACCOUNTS_PER_VENUE + pot: instruments with equal ids pay from one balance */
    uint32_t pad0;
    uint8_t symbol[32];    /* the venue's spelling, NUL padded */
    uint8_t name[48];      /* binance:BTC/USDT, NUL padded */
} instrument_t;
#endif
