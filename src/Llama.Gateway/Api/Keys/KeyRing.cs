using Llama.Grains.Keys;

namespace Llama.Gateway.Api.Keys;

/// <summary>
/// The keys that are good now. Their file is looked at twice a second; one that is gone or broken for a while changes nothing, and is said in the log.
/// </summary>
/// <param name="path">The file.</param>
/// <param name="time">Says when to look.</param>
/// <param name="logger">Told of faults and changes, never of a key.</param>
internal sealed partial class KeyRing(string path, TimeProvider time, ILogger<KeyRing> logger) : BackgroundService
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(0.5);

    private volatile Dictionary<string, KeyHolder> holders = [];
    private byte[] seen = [];
    private string? fault;

    /// <summary>Who holds a key; null when it is none that is good.</summary>
    /// <param name="key">The key.</param>
    public KeyHolder? Find(string key) => holders.GetValueOrDefault(ApiKey.HashOf(key));

    /// <inheritdoc/>
    /// <exception cref="InvalidDataException">There is no such file at the start.</exception>
    public override Task StartAsync(CancellationToken cancellationToken)
    {
        Take(ApiKeyFile.ReadBytes(path));
        return base.StartAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        base.Dispose();
        foreach (KeyHolder holder in holders.Values) holder.Dispose();
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Look, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                byte[] bytes = ApiKeyFile.ReadBytes(path);
                if (!bytes.AsSpan().SequenceEqual(seen)) Take(bytes);
                fault = null;
            }
            catch (InvalidDataException e)
            {
                if (e.Message != fault) Log.Unreadable(logger, e.Message);
                fault = e.Message;
            }
        }
    }

    /// <summary>
    /// Whose key is unchanged keeps what counts against its limits. The limiters of others are left as they are: a request may just be using them, and
    /// they hold nothing but memory.
    /// </summary>
    private void Take(byte[] bytes)
    {
        Dictionary<string, KeyHolder> before = holders;
        Dictionary<string, KeyHolder> after = [];
        foreach (ApiKey key in ApiKeyFile.Parse(path, bytes))
            after[key.Sha256] = before.GetValueOrDefault(key.Sha256) is { } holder && holder.Key == key ? holder : new KeyHolder(key);
        holders = after;
        seen = bytes;
        Log.Read(logger, after.Count, path);
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "{Count} API keys are good ({Path})")]
        public static partial void Read(ILogger logger, int count, string path);

        [LoggerMessage(2, LogLevel.Warning, "The API keys stay as they were: {Fault}")]
        public static partial void Unreadable(ILogger logger, string fault);
    }
}
