using Llama.Grains.Generation;
using Llama.Grains.Hosting;
using Llama.Model.Tokenization;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Text;

/// <summary>
/// The model that a cluster serves, for a process without its files. The vocabulary is read once, and again when the cluster serves another
/// model; text is encoded by the silos of role gateway.
/// </summary>
/// <param name="grain">The tokenizer grain at present; throws while the cluster cannot be reached.</param>
/// <param name="unreachable">Why nothing of the cluster can be reached, in a sentence; null where something can.</param>
/// <param name="recoveryTimeout">How long a text waits for somebody who encodes it.</param>
/// <param name="time">Measures deadlines and pauses.</param>
/// <param name="logger">Told of the model.</param>
public sealed partial class RemoteModel(
    Func<ITokenizerGrain> grain, Func<string?> unreachable, TimeSpan recoveryTimeout, TimeProvider time, ILogger logger)
    : BackgroundService, IModelSource
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(0.1);
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2.5);
    private static readonly TimeSpan TryAgain = TimeSpan.FromSeconds(1);

    private volatile Served? served;
    private volatile string fault = "No gateway silo of the cluster has told yet which model it serves.";

    /// <inheritdoc/>
    public ModelShape Shape => Present.Description.Shape;

    /// <inheritdoc/>
    public ModelText Text => Present.Text;

    private Served Present => served ?? throw new GenerationException(GenerationError.Unavailable, unreachable() ?? fault, TryAgain);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await LookAsync(stoppingToken).ConfigureAwait(false);
            }
#pragma warning disable CA1031 // A failure is a value: it is tried again.
            catch (Exception e)
#pragma warning restore CA1031
            {
                fault = $"The gateway silos do not tell which model they serve: {Brief.Of(e)}";
            }

            await Task.Delay(served is null ? Pause : Interval, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task LookAsync(CancellationToken stopping)
    {
        ModelDescription found = await AskAsync(grain().DescribeAsync, stopping).ConfigureAwait(false);
        if (found.Id == served?.Description.Id) return;
        ModelText text = found.Text is { } facts
            ? new ModelText(facts, await ReadAsync(found.Id, facts, stopping).ConfigureAwait(false), new RemoteEncoder(found.Id, grain, recoveryTimeout, time))
            : new ModelText(null, null);
        served = new Served(found, text);
        Log.Serves(logger, found.Shape.Name, text.Vocabulary?.VocabSize ?? 0);
    }

    private async Task<IVocabulary> ReadAsync(string model, TextFacts facts, CancellationToken stopping)
    {
        using var bytes = new MemoryStream();
        while (bytes.Length < facts.VocabularyBytes)
        {
            var place = new VocabularyPlace(model, (int)bytes.Length);
            VocabularyPage page = await AskAsync(ending => grain().ReadVocabularyAsync(place, ending), stopping).ConfigureAwait(false);
            if (page.Bytes.IsEmpty) throw new InvalidDataException("the vocabulary ended early, or is another model's now");
            bytes.Write(page.Bytes.Span);
        }

        return VocabularyCodec.Read(bytes.ToArray(), facts.AddsLeadingSpace);
    }

    private Task<T> AskAsync<T>(Func<CancellationToken, Task<T>> question, CancellationToken stopping) =>
        TokenizerCall.WithinAsync(question, Deadline, time, stopping);

    private sealed record Served(ModelDescription Description, ModelText Text);

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "The cluster serves {Model}, with a vocabulary of {Tokens} tokens")]
        public static partial void Serves(ILogger logger, string model, int tokens);
    }
}
