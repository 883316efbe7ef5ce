using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Generation;
using Llama.Grains.Answers;

namespace Llama.Gateway.Api.Retries;

/// <summary>
/// An answer that outlives its client's connection: its pieces are kept as they come, and every reader gets all of them from the first.
/// It ends early when nobody has read it for a while. Its record goes to a silo, part by part: so it may outlive the gateway, too.
/// </summary>
internal sealed class KeptAnswer : IDisposable
{
    /// <summary>How long an answer goes on without a reader.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Lock gate = new();
    private readonly List<ChoicePiece> pieces = [];
    private readonly AnswerRecord? known;
    private readonly ArrayBufferWriter<byte> record = new();
    private readonly CancellationTokenSource ending;
    private readonly CancellationToken ended;
    private TaskCompletionSource? changed;
    private ExceptionDispatchInfo? fault;
    private bool isComplete;
    private bool isForgotten;
    private int readers;
    private (string Keeper, int Bytes)? sent;

    /// <summary>Begins a new answer with no piece, and the patience for its first reader.</summary>
    /// <param name="key">The key.</param>
    /// <param name="idPrefix">How the answer's id begins.</param>
    /// <param name="time">Measures the patience.</param>
    public KeptAnswer(RetryKey key, string idPrefix, TimeProvider time)
        : this(key, AnswerWriter.NewId(idPrefix), time.GetUtcNow(), time)
    {
        AnswerRecord.WriteStart(record, Id, Created, key.Request);
    }

    /// <summary>Begins where a record ends; its tokens come again, as the first pieces of their choices.</summary>
    /// <param name="key">The key.</param>
    /// <param name="known">The record.</param>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="time">Measures the patience.</param>
    public KeptAnswer(RetryKey key, AnswerRecord known, ReadOnlySpan<byte> bytes, TimeProvider time)
        : this(key, known.Id, known.Created, time)
    {
        this.known = known;
        record.Write(bytes[..known.Length]);
    }

    private KeptAnswer(RetryKey key, string id, DateTimeOffset created, TimeProvider time)
    {
        (Key, Id, Created) = (key, id, created);
        ending = new CancellationTokenSource(Patience, time);
        ended = ending.Token;
    }

    /// <summary>The key.</summary>
    public RetryKey Key { get; }

    /// <summary>The answer's id, the same for every reader.</summary>
    public string Id { get; }

    /// <summary>When its first request came.</summary>
    public DateTimeOffset Created { get; }

    /// <summary>When it was complete (the registry's clock); null before.</summary>
    public long? CompletedAt { get; set; }

    /// <summary>What its pieces take, bytes.</summary>
    public long Bytes { get; set; }

    /// <summary>Takes the pieces until the last or a fault, which every reader gets.</summary>
    /// <param name="source">The pieces.</param>
    /// <param name="kept">Told of each piece that was taken.</param>
    /// <param name="stopping">Ends it with the gateway.</param>
    /// <returns>Whether it is complete.</returns>
    public async Task<bool> FillAsync(
        Func<CancellationToken, IAsyncEnumerable<ChoicePiece>> source, Action<ChoicePiece> kept, CancellationToken stopping)
    {
        using var both = CancellationTokenSource.CreateLinkedTokenSource(ended, stopping);
        Exception? reason = null;
        try
        {
            await foreach (var piece in source(both.Token))
            {
                lock (gate)
                {
                    pieces.Add(piece);
                    if (!(piece.Position < known?.Tokens(piece.Choice).Count)) AnswerRecord.WriteToken(record, piece.Choice, piece.Token);
                }

                kept(piece);
                Wake();
            }
        }
        catch (Exception e)
        {
            reason = e is OperationCanceledException
                ? new ApiException(StatusCodes.Status503ServiceUnavailable, "The answer was given up.", retryAfter: TimeSpan.FromSeconds(1))
                : e;
        }

        lock (gate)
        {
            isComplete = true;
            if (reason is not null) fault = ExceptionDispatchInfo.Capture(reason);
        }

        Wake();
        return reason is null;
    }

    /// <summary>All pieces, from the first, as they come.</summary>
    /// <param name="cancellationToken">Cancelled when this reader goes away.</param>
    public async IAsyncEnumerable<ChoicePiece> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        CountReaders(1);
        try
        {
            for (var next = 0; ;)
            {
                ChoicePiece? piece = null;
                Task wait;
                lock (gate)
                {
                    if (next < pieces.Count) piece = pieces[next++];
                    else if (isComplete) break;
                    changed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                    wait = changed.Task;
                }

                if (piece is not null) yield return piece;
                else await wait.WaitAsync(cancellationToken);
            }

            fault?.Throw();
        }
        finally
        {
            CountReaders(-1);
        }
    }

    /// <summary>What a silo lacks of the record.</summary>
    /// <param name="keeper">The silo's process.</param>
    /// <param name="most">Bytes at most.</param>
    /// <returns>The next part; null when there is nothing.</returns>
    public RecordPart? Unsent(string keeper, int most)
    {
        lock (gate)
        {
            var first = sent is { } before && before.Keeper == keeper ? before.Bytes : 0;
            var bytes = Math.Min(record.WrittenCount - first, most);
            return pieces.Count == 0 || bytes == 0
                ? null
                : new RecordPart(Key.RecordName, first, record.WrittenSpan.Slice(first, bytes).ToArray());
        }
    }

    /// <summary>A silo has answered to a part.</summary>
    /// <param name="keeper">The silo's process.</param>
    /// <param name="part">The part.</param>
    /// <param name="length">What it has of the record now, bytes.</param>
    /// <returns>Whether it took the part; else it has something else, and is to get all of the record again.</returns>
    public bool Sent(string keeper, RecordPart part, int length)
    {
        var isTaken = length == part.Offset + part.Bytes.Length;
        lock (gate) sent = (keeper, isTaken ? length : 0);
        return isTaken;
    }

    /// <summary>No further reader will come: it ends with the last one that it has.</summary>
    public void Forget()
    {
        lock (gate)
        {
            isForgotten = true;
            if (!isComplete && readers == 0) ending.CancelAfter(TimeSpan.Zero);
        }
    }

    /// <summary>Gives up the clock of an answer that is complete; it can still be read.</summary>
    public void Dispose() => ending.Dispose();

    private void CountReaders(int more)
    {
        lock (gate)
        {
            readers += more;
            if (isComplete) return;
            ending.CancelAfter(readers > 0 ? Timeout.InfiniteTimeSpan : isForgotten ? TimeSpan.Zero : Patience);
        }
    }

    private void Wake()
    {
        TaskCompletionSource? waiting;
        lock (gate) (waiting, changed) = (changed, null);
        waiting?.SetResult();
    }
}
