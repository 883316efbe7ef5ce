using System.Threading.RateLimiting;
using Llama.Gateway.Api.Errors;
using Llama.Grains.Keys;

namespace Llama.Gateway.Api.Keys;

/// <summary>
/// The holder of a key, and what it has used of its limits at this gateway. Tokens of an answer are known when it ends; they count against the next
/// request, so a key may exceed its tokens by the answers that are in flight.
/// </summary>
internal sealed class KeyHolder : IDisposable
{
    private static readonly TimeSpan StreamWait = TimeSpan.FromSeconds(1);

    private readonly TokenBucketRateLimiter? requests;
    private readonly TokenBucketRateLimiter? tokens;
    private readonly ConcurrencyLimiter? streams;
    private readonly Lock gate = new();
    private long owed;

    /// <summary>A holder who has used nothing.</summary>
    /// <param name="key">The key.</param>
    public KeyHolder(ApiKey key)
    {
        Key = key;
        requests = Bucket(key.RequestsPerMinute);
        tokens = Bucket(key.TokensPerMinute);
        if (key.ConcurrentStreams is { } most) streams = new ConcurrencyLimiter(new ConcurrencyLimiterOptions { PermitLimit = most });
    }

    /// <summary>The key.</summary>
    public ApiKey Key { get; }

    /// <summary>Counts a request.</summary>
    /// <exception cref="ApiException">It is one too many.</exception>
    public void CountRequest()
    {
        if (requests is not null && !TryTake(requests, 1, out TimeSpan wait)) throw OverLimit("requests a minute", Key.RequestsPerMinute, wait);
    }

    /// <summary>Begins an answer.</summary>
    /// <param name="promptTokens">Tokens of its prompts.</param>
    /// <returns>What the answer takes; disposed of when it ends.</returns>
    /// <exception cref="ApiException">It is one too many, or the tokens are.</exception>
    public KeyUse Begin(int promptTokens)
    {
        RateLimitLease? stream = streams?.AttemptAcquire();
        if (stream is { IsAcquired: false }) throw OverLimit("answers at the same time", Key.ConcurrentStreams, StreamWait);
        TimeSpan wait = default;
        lock (gate)
        {
            // More than a minute's worth waits for a whole minute's.
            long due = Math.Min(owed + promptTokens, Key.TokensPerMinute ?? 0);
            if (tokens is null || TryTake(tokens, (int)due, out wait))
            {
                owed = tokens is null ? 0 : owed + promptTokens - due;
                return new KeyUse(this, stream);
            }
        }

        stream?.Dispose();
        throw OverLimit("tokens a minute", Key.TokensPerMinute, wait);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        requests?.Dispose();
        tokens?.Dispose();
        streams?.Dispose();
    }

    /// <summary>Counts the tokens of an answer that has ended.</summary>
    internal void Owe(int more)
    {
        if (tokens is not null) lock (gate) owed += more;
    }

    private static TokenBucketRateLimiter? Bucket(int? perMinute) => perMinute is not { } limit ? null : new TokenBucketRateLimiter(
        new TokenBucketRateLimiterOptions
        {
            TokenLimit = limit,
            TokensPerPeriod = 1,
            ReplenishmentPeriod = TimeSpan.FromTicks(Math.Max(1, TimeSpan.TicksPerMinute / limit)),
            AutoReplenishment = false,
        });

    private static bool TryTake(TokenBucketRateLimiter bucket, int count, out TimeSpan wait)
    {
        bucket.TryReplenish();
        using RateLimitLease lease = bucket.AttemptAcquire(count);
        if (!lease.TryGetMetadata(MetadataName.RetryAfter, out wait)) wait = StreamWait;
        return lease.IsAcquired;
    }

    private ApiException OverLimit(string what, int? limit, TimeSpan wait) => new(
        StatusCodes.Status429TooManyRequests, $"The key {Key.Id} may have {limit} {what}.", code: "rate_limit_exceeded", retryAfter: wait);
}

/// <summary>What an answer takes of its key's limits.</summary>
/// <param name="holder">The key's holder.</param>
/// <param name="stream">Its place among the answers at the same time.</param>
internal sealed class KeyUse(KeyHolder holder, RateLimitLease? stream) : IDisposable
{
    /// <summary>Tokens that were generated.</summary>
    public int Tokens { get; set; }

    /// <inheritdoc/>
    public void Dispose()
    {
        stream?.Dispose();
        holder.Owe(Tokens);
    }
}
