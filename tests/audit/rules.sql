-- Each statement finds violations of one rule: rule, what. Tables: auditor.py. Amounts are exact decimal text; dsum and dmax sum
-- them up, dadd, dmul and dabs calculate, dcmp compares. Orders of somebody else have no leg and no L-id: they are not ours to judge.

-- I1: every order of ours at a venue is in the journal, before its bytes were reported sent, with equal content
SELECT 'I1', 'order ' || o.client_id || ' at ' || o.venue || ' is not in the journal'
FROM orders o LEFT JOIN legs l ON l.client_id = o.client_id
WHERE o.is_ours AND l.client_id IS NULL;

SELECT 'I1', 'order ' || o.client_id || ': venue has ' || o.instrument || ' ' || o.side || ' ' || o.qty || ' at ' || o.px
             || ', journal ' || l.instrument || ' ' || l.side || ' ' || l.qty || ' at ' || l.px
FROM orders o JOIN legs l ON l.client_id = o.client_id
WHERE o.instrument <> l.instrument OR o.side <> l.side OR dcmp(o.qty, l.qty) <> 0 OR dcmp(o.px, l.px) <> 0;

SELECT 'I1', 'leg ' || s.leg || ' of intent ' || s.intent_id || ' was sent before its intent was journaled'
FROM sent s LEFT JOIN intents i ON i.intent_id = s.intent_id
WHERE i.intent_id IS NULL OR i.at > s.at;

-- I2: no id twice, at a venue or in the journal; ids rise within an epoch, epochs rise
SELECT 'I2', 'id ' || client_id || ' was placed ' || count(*) || ' times at ' || venue
FROM orders WHERE is_ours GROUP BY venue, client_id HAVING count(*) > 1;

SELECT 'I2', 'id ' || client_id || ' stands in ' || count(*) || ' intents'
FROM legs GROUP BY client_id HAVING count(*) > 1;

SELECT 'I2', 'intent ' || intent_id || ' follows ' || before
FROM (SELECT intent_id, lag(intent_id) OVER (ORDER BY at) AS before FROM intents) WHERE before >= intent_id;

SELECT 'I2', 'epoch ' || epoch || ' follows ' || before
FROM (SELECT epoch, lag(epoch) OVER (ORDER BY at) AS before FROM records) WHERE before > epoch;

-- I3: no more executed than ordered; over a trade at most three times what its entries and exits asked for
SELECT 'I3', 'order ' || client_id || ' executed ' || executed || ' of ' || qty
FROM orders WHERE dcmp(executed, qty) > 0;

SELECT 'I3', 'trade ' || trade_id || ' executed ' || done || ' on ' || instrument || ', its intents asked for ' || asked
FROM (SELECT l.trade_id, l.instrument, dsum(o.executed) AS done,
             (SELECT dsum(largest) FROM (SELECT dmax(e.qty) AS largest FROM legs e
                                         WHERE e.trade_id = l.trade_id AND e.purpose IN (0, 1, 4) GROUP BY e.intent_id)) AS asked
      FROM legs l JOIN orders o ON o.client_id = l.client_id GROUP BY l.trade_id, l.instrument)
WHERE dcmp(done, dmul(asked, '3')) > 0;

-- I5: nothing naked in truth beyond the lots of an underlying's instruments, nothing resting, nothing sent and never ended
SELECT 'I5', underlying || ': net ' || net || ', lots make ' || lots
FROM (SELECT underlying, dsum(change) AS net,
             (SELECT dsum(i.lot) FROM instruments i WHERE i.underlying = m.underlying) AS lots
      FROM moves m GROUP BY underlying)
WHERE dcmp(dabs(net), lots) > 0;

SELECT 'I5', 'order ' || client_id || ' still rests at ' || venue FROM orders WHERE is_ours AND status IN ('NEW', 'PARTIALLY_FILLED');

-- I7: opening + what fills, fees and funding moved = closing, at the venue; and by the journal's postings
SELECT 'I7', account || ' ' || asset || ': opening and flows make ' || made || ', the venue has ' || closing
FROM (SELECT b.account, b.asset, b.closing,
             dadd(b.opening, coalesce((SELECT dsum(f.amount) FROM flows f WHERE f.account = b.account AND f.asset = b.asset), '0')) AS made
      FROM balances b)
WHERE dcmp(made, closing) <> 0;

SELECT 'I7', account || ' ' || asset || ': the journal makes ' || made || ', the venue has ' || closing
FROM (SELECT b.account, b.asset, b.closing,
             dadd(b.opening, coalesce((SELECT dsum(p.amount) FROM postings p WHERE p.account = b.account AND p.asset = b.asset), '0')) AS made
      FROM balances b)
WHERE dcmp(made, closing) <> 0;

-- I11: each trade of the venue is posted exactly once (venues whose trade ids are no numbers: as many postings as trades an order)
SELECT 'I11', 'order ' || client_id || ': the venue has ' || trades || ' trades, the journal posts ' || posts
FROM (SELECT o.client_id, (SELECT count(*) FROM fills f WHERE f.client_id = o.client_id) AS trades,
             (SELECT count(*) FROM posted p WHERE p.client_id = o.client_id) AS posts
      FROM (SELECT DISTINCT client_id FROM orders WHERE is_ours UNION SELECT client_id FROM posted) o)
WHERE trades <> posts;

SELECT 'I11', 'trade ' || trade_id || ' of ' || client_id || ' is posted ' || count(*) || ' times'
FROM posted GROUP BY client_id, trade_id HAVING count(*) > 1;

SELECT 'I11', 'posting of trade ' || p.trade_id || ' of ' || p.client_id || ': binance has no such trade'
FROM posted p JOIN orders o ON o.client_id = p.client_id AND o.venue LIKE 'binance%'
     LEFT JOIN fills f ON f.client_id = p.client_id AND f.trade_id = p.trade_id
WHERE f.trade_id IS NULL;

-- I27: every unknown fate ends with an end or a proof
SELECT 'I27', 'order ' || l.client_id || ' was sent and has neither an end nor a proof'
FROM legs l JOIN sent s ON s.intent_id = l.intent_id AND s.leg = l.leg
WHERE s.outcome <> 1
  AND NOT EXISTS (SELECT 1 FROM events e WHERE e.client_id = l.client_id AND (e.is_end OR dcmp(e.cum_qty, l.raw_qty) >= 0))
  AND NOT EXISTS (SELECT 1 FROM proofs p WHERE p.client_id = l.client_id)
  AND dcmp(l.raw_qty, coalesce((SELECT dsum(e.last_qty) FROM
                                (SELECT DISTINCT trade_id, last_qty FROM events WHERE client_id = l.client_id AND trade_id <> 0) e),
                               '0')) > 0;

-- P8: a restart never closes a good hedge: a trade that was OPEN when the engine died is not repaired without a late fill
SELECT 'HEDGE', 'trade ' || w.trade_id || ' was OPEN when epoch ' || w.was_epoch || ' ended and is ' || w.target || ' in epoch ' || w.epoch
FROM (SELECT trade_id, at, epoch, target, lag(target) OVER (PARTITION BY trade_id ORDER BY at) AS was,
             lag(epoch) OVER (PARTITION BY trade_id ORDER BY at) AS was_epoch FROM transitions) w
WHERE w.was = 'OPEN' AND w.was_epoch < w.epoch AND w.target IN ('RECOVERING', 'UNWINDING')
  AND NOT EXISTS (SELECT 1 FROM late l WHERE l.trade_id = w.trade_id AND l.epoch >= w.was_epoch);
