using System.Buffers;
using System.Collections.Concurrent;
using Llama.Grains.Generation;

namespace Llama.Grains.Answers;

/// <summary>Reaches what silos keep of answers; a silo may be gone, slow or hang, and who calls it waits a short time at most.</summary>
/// <param name="calls">Calls them.</param>
/// <param name="silos">The silos that are there.</param>
/// <param name="notPlanned">Why it is not known yet which silos there are; null when it is.</param>
/// <param name="keeper">The silo that keeps answers at present; null while there is none.</param>
/// <param name="time">Measures how long silos are waited for.</param>
internal sealed class AnswerKeepers(
    IAnswerSilos calls, Func<IReadOnlyList<SiloProcess>> silos, Func<GenerationException?> notPlanned, Func<SiloProcess?> keeper,
    TimeProvider time) : IAnswerRecords
{
    /// <summary>A silo that is well answers a call within this time.</summary>
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2);

    /// <summary>A silo that did not answer is left alone for so long.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    /// <summary>Reading a long record ends after this time, with what has come.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>When a silo's process last failed to answer.</summary>
    private readonly ConcurrentDictionary<string, long> failures = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public string? Keeper => keeper()?.Instance;

    /// <inheritdoc/>
    public Task<IReadOnlyList<int>?> AppendAsync(IReadOnlyList<RecordPart> parts, CancellationToken cancellationToken) =>
        keeper() is { } silo
            ? CallAsync(silo, token => calls.AppendAsync(silo.Name, parts, token), cancellationToken)
            : Task.FromResult<IReadOnlyList<int>?>(null);

    /// <inheritdoc/>
    public async Task<ReadOnlyMemory<byte>> FindAsync(string name, CancellationToken cancellationToken)
    {
        if (notPlanned() is { } reason) throw reason;
        long start = time.GetTimestamp();
        var bytes = new ArrayBufferWriter<byte>();
        IReadOnlyList<SiloProcess> asked = silos();
        RecordPage?[] pages = await Task.WhenAll(asked.Select(silo => ReadAsync(silo, 0))).ConfigureAwait(false);
        RecordPage? page = pages.MaxBy(first => first?.Length ?? 0);
        int longest = Array.IndexOf(pages, page);
        while (page is { Bytes.Length: > 0 })
        {
            bytes.Write(page.Bytes.Span);
            if (bytes.WrittenCount >= Math.Min(page.Length, AnswerStore.MostBytesOfRecord) || time.GetElapsedTime(start) > Patience) break;
            page = await ReadAsync(asked[longest], bytes.WrittenCount).ConfigureAwait(false);
        }

        return bytes.WrittenMemory;

        Task<RecordPage?> ReadAsync(SiloProcess silo, int offset) =>
            CallAsync(silo, token => calls.ReadAsync(silo.Name, new RecordPlace(name, offset), token), cancellationToken);
    }

    /// <returns>The answer; null when there is none in time, or the silo gave none to an earlier call a moment ago.</returns>
    private async Task<TResult?> CallAsync<TResult>(
        SiloProcess silo, Func<CancellationToken, Task<TResult>> call, CancellationToken cancellationToken)
        where TResult : class
    {
        if (failures.TryGetValue(silo.Instance, out long failed) && time.GetElapsedTime(failed) < Pause) return null;
        using var deadline = new CancellationTokenSource(Deadline, time);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            TResult answer = await call(ending.Token).WaitAsync(ending.Token).ConfigureAwait(false);
            failures.TryRemove(silo.Instance, out _);
            return answer;
        }
#pragma warning disable CA1031 // A failure is a value: whatever keeps a silo from answering, its record is missing.
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
#pragma warning restore CA1031
        {
            foreach (string gone in failures.Keys.Except(silos().Select(other => other.Instance)))
                failures.TryRemove(gone, out _);
            failures[silo.Instance] = time.GetTimestamp();
            return null;
        }
    }
}
