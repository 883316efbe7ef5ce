using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Llama.Grains.Gateway;
using Llama.Grains.Generation;

namespace Llama.Gateway.Api.Generation;

/// <summary>Runs the choices of a request side by side.</summary>
/// <param name="model">Turns tokens into text.</param>
/// <param name="gateway">Generates them.</param>
internal sealed class ChoiceRunner(ServedModel model, IGateway gateway)
{
    // Pieces that may wait for a slow client before its choices pause.
    private const int WaitingPieces = 64;

    /// <summary>
    /// The pieces of all choices as they come, each choice's in order. The first choice that fails ends them all; ending the enumeration
    /// early does, too.
    /// </summary>
    /// <param name="plan">The choices.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    /// <exception cref="GenerationException">The grain refused a choice or lost it.</exception>
    public async IAsyncEnumerable<ChoicePiece> RunAsync(GenerationPlan plan, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var pieces = Channel.CreateBounded<ChoicePiece>(new BoundedChannelOptions(WaitingPieces) { SingleReader = true });
        var running = RunAllAsync(plan, pieces.Writer, ending);
        try
        {
            await foreach (var piece in pieces.Reader.ReadAllAsync(cancellationToken)) yield return piece;
        }
        finally
        {
            await ending.CancelAsync();
            await running;
        }
    }

    private async Task RunAllAsync(GenerationPlan plan, ChannelWriter<ChoicePiece> pieces, CancellationTokenSource ending)
    {
        await Task.WhenAll(plan.Choices.Select(async (choice, index) =>
        {
            try
            {
                var decoder = model.NewDecoder(choice.StartsText);
                var text = new ChoiceText(
                    index, decoder, new StopMatcher(plan.Parameters.Stops), choice.Request.Rules?.MinTokens ?? 0, choice.Echo, choice.Reasoning, choice.Calls);
                await RunOneAsync(choice.Request, text, pieces, ending.Token);
            }
            catch (Exception exception)
            {
                // The reader throws the first fault; the other choices end because of it and have nothing to add.
                pieces.TryComplete(exception);
                await ending.CancelAsync();
            }
        }));
        pieces.TryComplete();
    }

    private async Task RunOneAsync(
        GenerationRequest request, ChoiceText text, ChannelWriter<ChoicePiece> pieces, CancellationToken cancellationToken)
    {
        // What is known may be all of it: then nobody is asked for more.
        List<ChoicePiece> known = [];
        foreach (var token in request.ResumedTokens)
        {
            known.Add(text.Append(token));
            if (known[^1].Finish is null) continue;
            foreach (var piece in known) await pieces.WriteAsync(piece, cancellationToken);
            return;
        }

        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var next = 0;
        await foreach (var token in gateway.GenerateAsync(request, ending.Token))
        {
            var piece = next < known.Count ? known[next++] : text.Append(token);
            await pieces.WriteAsync(piece, cancellationToken);
            if (piece.Finish is null) continue;

            // After a stop string the grain would go on.
            if (token.Finish is null) await ending.CancelAsync();
            return;
        }

        throw new InvalidOperationException("The gateway grain's tokens ended without a finish reason.");
    }
}
