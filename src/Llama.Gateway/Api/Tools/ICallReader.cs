namespace Llama.Gateway.Api.Tools;

/// <summary>How far a call has come.</summary>
internal enum CallState
{
    /// <summary>More of it follows.</summary>
    Going,

    /// <summary>It ended with this character.</summary>
    Complete,

    /// <summary>This character belongs to no call.</summary>
    NoCall,
}

/// <summary>Reads one call, character by character.</summary>
internal interface ICallReader
{
    /// <summary>The function, once it is known.</summary>
    string? Name { get; }

    /// <summary>Whether its arguments have begun, or it is known that there are none.</summary>
    bool HasArguments { get; }

    /// <summary>Whether nothing closes the call but its own end.</summary>
    bool ClosesItself { get; }

    /// <summary>Takes a character.</summary>
    /// <param name="character">The character.</param>
    CallState Take(char character);

    /// <summary>Ends the text.</summary>
    /// <returns>Whether it is a call that ends here.</returns>
    bool End();

    /// <summary>What the arguments have more of since the last time.</summary>
    string TakeArguments();
}
