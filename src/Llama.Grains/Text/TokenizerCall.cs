namespace Llama.Grains.Text;

/// <summary>A call of a tokenizer grain that ends in time, also when its silo dies, which a client is not told.</summary>
internal static class TokenizerCall
{
    /// <summary>Calls.</summary>
    /// <typeparam name="T">The answer.</typeparam>
    /// <param name="call">The call.</param>
    /// <param name="limit">How long it may take.</param>
    /// <param name="time">Measures that.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="OperationCanceledException">There was no answer in time, or it was given up.</exception>
    public static async Task<T> WithinAsync<T>(
        Func<CancellationToken, Task<T>> call, TimeSpan limit, TimeProvider time, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(limit, time);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        return await call(ending.Token).WaitAsync(ending.Token).ConfigureAwait(false);
    }
}
