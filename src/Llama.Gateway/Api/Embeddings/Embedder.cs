using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Llama.Gateway.Api.Telemetry;
using Llama.Grains.Gateway;
using Llama.Grains.Generation;

namespace Llama.Gateway.Api.Embeddings;

/// <summary>Turns texts into vectors.</summary>
/// <param name="model">The model.</param>
/// <param name="gateway">Computes them.</param>
internal sealed class Embedder(ServedModel model, IGateway gateway)
{
    /// <summary>Texts of one request that are scheduled at a time: enough to fill steps, and few of those that may wait.</summary>
    private const int Together = 16;

    /// <summary>The vectors of all texts in their order, each of length 1. The first that fails ends them all.</summary>
    /// <param name="context">The request, whose key's limits they count against.</param>
    /// <param name="plan">The texts.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <exception cref="GenerationException">The gateway grain refused a text or lost it.</exception>
    public async IAsyncEnumerable<float[]> EmbedAsync(
        HttpContext context, EmbeddingPlan plan, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        context.Features.Get<ServedRequest>()?.Plan(plan.PromptTokens, model.Name);
        using var use = plan.Parameters.Holder?.Begin(plan.PromptTokens);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var running = new Queue<Task<float[]>>();
        try
        {
            foreach (var input in plan.Inputs)
            {
                if (running.Count == Together) yield return await running.Dequeue();
                running.Enqueue(EmbedAsync(Request(plan, input), ending.Token));
            }

            while (running.TryDequeue(out var next)) yield return await next;
        }
        finally
        {
            await ending.CancelAsync();
            await ((Task)Task.WhenAll(running)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static GenerationRequest Request(EmbeddingPlan plan, IReadOnlyList<int> input) => new()
    {
        PromptTokens = input,
        Pooling = plan.Pooling,
        Priority = plan.Parameters.Priority,
        Timeout = plan.Parameters.Timeout,
        CacheSalt = plan.Parameters.CacheSalt,
        Client = plan.Parameters.Client,
        TraceParent = Activity.Current is { Recorded: true } span ? span.Id : null,
    };

    private async Task<float[]> EmbedAsync(GenerationRequest request, CancellationToken cancellationToken)
    {
        await foreach (var answer in gateway.GenerateAsync(request, cancellationToken))
            return MemoryMarshal.Cast<byte, float>(answer.Prompt.Span).ToArray();
        throw new InvalidOperationException("The gateway grain ended without a vector.");
    }
}
