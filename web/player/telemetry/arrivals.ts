// What reports say of the pieces that came: how soon after the camera they were signed, how soon after that they were here,
// and how long before they were needed.

/** One piece that came, verified. Times are ms. */
export interface Arrival {
  /** From ingest's having its first sample to its entry. */
  signedMs: number;
  /** From its entry to its being here, by the server's clock. */
  hereMs: number;
  /** Until it was needed; negative where it came too late, null where nothing played yet. */
  slackMs: number | null;
}

export interface ArrivalFigures {
  pieces: number;
  /** Pieces that came after they were needed. */
  late: number;
  /** That half of the pieces have at least, and all but the worst twentieth. */
  slack: number;
  leastSlack: number;
  /** That half of the pieces do not exceed, and all but the worst twentieth. */
  signed50: number;
  signed95: number;
  here50: number;
  here95: number;
}

/** As many as a minute brings: a page that slept tells of the newest. */
const most = 400;

export class Arrivals {
  private came: Arrival[] = [];
  private pieces = 0;
  private late = 0;

  add(a: Arrival): void {
    this.pieces++;
    if (a.slackMs !== null && a.slackMs < 0) this.late++;
    this.came.push(a);
    if (this.came.length > most) this.came.shift();
  }

  /** The figures since they were taken last. */
  take(): ArrivalFigures {
    const { came, pieces, late } = this;
    [this.came, this.pieces, this.late] = [[], 0, 0];
    const slack = came.flatMap((a) => (a.slackMs === null ? [] : [-a.slackMs]));
    const signed = came.map((a) => a.signedMs);
    const here = came.map((a) => a.hereMs);
    return {
      ...{ pieces, late, slack: 0 - quantile(slack, 0.5), leastSlack: 0 - quantile(slack, 0.95) },
      ...{ signed50: quantile(signed, 0.5), signed95: quantile(signed, 0.95), here50: quantile(here, 0.5), here95: quantile(here, 0.95) },
    };
  }
}

/** The smallest value that p of the values (0 < p ≤ 1) do not exceed; 0 where there are none. */
function quantile(values: number[], p: number): number {
  return values.sort((a, b) => a - b)[Math.ceil(p * values.length) - 1] ?? 0;
}
