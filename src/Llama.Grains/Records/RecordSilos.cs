using System.Buffers;
using Llama.Grains.Directory;
using Llama.Grains.Gateway;
using Llama.Grains.Links;

namespace Llama.Grains.Records;

/// <summary>Reaches the records of the silos, over a link to each that is opened when it is needed first.</summary>
/// <param name="self">This process.</param>
/// <param name="silos">The silos that are there.</param>
/// <param name="notPlanned">Why it is not known yet which silos there are; null when it is.</param>
/// <param name="keeper">The one that keeps records; null while there is none.</param>
/// <param name="time">Measures how long others are waited for.</param>
internal sealed class RecordSilos(
    LinkIdentity self, Func<IReadOnlyList<Member>> silos, Func<GenerationException?> notPlanned, Func<Member?> keeper, TimeProvider time)
    : IAnswerRecords, IAsyncDisposable
{
    /// <summary>Reading a long record ends after this time, with what has come.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly Lock gate = new();
    private readonly Dictionary<(string Name, int ProcessId, string Address), RecordLink> links = [];
    private Task closing = Task.CompletedTask;
    private bool disposed;

    /// <inheritdoc/>
    public string? Keeper => keeper() is { } silo ? $"{silo.Name} {silo.ProcessId} {silo.Address}" : null;

    /// <inheritdoc/>
    public Task<IReadOnlyList<int>?> AppendAsync(IReadOnlyList<RecordPart> parts, CancellationToken cancellationToken) =>
        keeper() is { } silo && Link(silo) is { } link
            ? link.CallAsync((grain, token) => grain.AppendAsync(parts, token), cancellationToken)
            : Task.FromResult<IReadOnlyList<int>?>(null);

    /// <inheritdoc/>
    public async Task<ReadOnlyMemory<byte>> FindAsync(string name, CancellationToken cancellationToken)
    {
        if (notPlanned() is { } reason) throw reason;
        long start = time.GetTimestamp();
        var bytes = new ArrayBufferWriter<byte>();
        RecordLink[] asked = [.. silos().Select(Link).OfType<RecordLink>()];
        RecordPage?[] pages = await Task.WhenAll(asked.Select(link => ReadAsync(link, 0))).ConfigureAwait(false);
        RecordPage? page = pages.MaxBy(first => first?.Length ?? 0);
        int longest = Array.IndexOf(pages, page);
        while (page is { Bytes.Length: > 0 })
        {
            bytes.Write(page.Bytes.Span);
            if (bytes.WrittenCount >= Math.Min(page.Length, RecordsGrain.MostBytesOfRecord) || time.GetElapsedTime(start) > Patience) break;
            page = await ReadAsync(asked[longest], bytes.WrittenCount).ConfigureAwait(false);
        }

        return bytes.WrittenMemory;

        Task<RecordPage?> ReadAsync(RecordLink link, int offset) =>
            link.CallAsync((grain, token) => grain.ReadAsync(name, offset, token), cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            disposed = true;
            Close(links.Keys);
        }

        await closing.ConfigureAwait(false);
    }

    /// <summary>The link to a silo; null when nothing is asked of anybody any more.</summary>
    private RecordLink? Link(Member silo)
    {
        lock (gate)
        {
            if (disposed) return null;
            if (links.TryGetValue(Identity(silo), out RecordLink? link)) return link;

            // Where somebody has come others may have gone.
            Close(links.Keys.Except(silos().Select(Identity)));
            links.Add(Identity(silo), link = new RecordLink(silo.Address, self, time));
            return link;
        }
    }

    private void Close(IEnumerable<(string Name, int ProcessId, string Address)> gone)
    {
        foreach ((string Name, int ProcessId, string Address) silo in gone.ToList())
        {
            if (links.Remove(silo, out RecordLink? link)) closing = Task.WhenAll(closing, link.DisposeAsync().AsTask());
        }
    }

    private static (string Name, int ProcessId, string Address) Identity(Member silo) => (silo.Name, silo.ProcessId, silo.Address);
}
