using System.Runtime.CompilerServices;
using Grpc.Core;
using Llama.V1;

namespace Llama.Client;

/// <summary>
/// Reads an answer. A gateway that is asked again with the request's idempotency key gives the whole answer, from its first token; what was
/// read before is left out.
/// </summary>
/// <param name="gateways">Who is asked.</param>
/// <param name="options">How.</param>
internal sealed class AnswerStream(Gateways gateways, LlamaClientOptions options)
{
    /// <summary>The parts of an answer with one choice, each once, the last with its usage.</summary>
    /// <param name="request">The request.</param>
    /// <param name="key">Its idempotency key; null without one.</param>
    /// <param name="cancellationToken">Ends the generation.</param>
    /// <exception cref="LlamaException">The request is refused, or nobody goes on with its answer.</exception>
    public async IAsyncEnumerable<GenerateResponse> ReadAsync(
        ChatRequest request, string? key, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var attempts = new Attempts(gateways, options, key, cancellationToken);
        List<int> tokens = [];
        int read = 0;
        while (true)
        {
            Gateway gateway = gateways.Asked;
            using AsyncServerStreamingCall<GenerateResponse> call = gateway.Inference.Chat(request, attempts.Call);
            int parts = 0;
            int known = 0;
            RpcException fault;
            while (true)
            {
                try
                {
                    if (!await call.ResponseStream.MoveNext(cancellationToken).ConfigureAwait(false)) yield break;
                }
                catch (RpcException exception)
                {
                    fault = exception;
                    break;
                }

                GenerateResponse part = call.ResponseStream.Current;
                if (part.Choice is null)
                {
                    yield return part;
                    yield break;
                }

                if (parts++ < read)
                {
                    foreach (Token token in part.Choice.Tokens)
                        if (known == tokens.Count || tokens[known++] != token.Id) throw Another(gateway, known);
                    continue;
                }

                read = parts;
                tokens.AddRange(part.Choice.Tokens.Select(token => token.Id));
                attempts.Progress();
                yield return part;
            }

            await attempts.RecoverAsync(gateway, fault).ConfigureAwait(false);
        }
    }

    private static LlamaException Another(Gateway gateway, int position) => new(
        $"The gateway at {gateway.Address} goes on with another answer: its token {position} differs from the one that was read before.",
        new RpcException(new Status(StatusCode.DataLoss, "")));
}
