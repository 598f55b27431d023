from typing import Any, List, Optional, Tuple

Answer = Tuple[Any, str, Optional[str], str, Optional[str]]

def allocators() -> List[str]: ...
def solve(
    n: Any, beta: Any, s_min: Any, most_employed: Any, s_max: Any, fee: Any, allocator: str
) -> Answer: ...
def schedule(
    demand: Tuple[Any, Any, Any],
    limit: float,
    objective: str,
    batch_seconds: Any,
    fixed_seconds: Any,
    most: Any,
    fee: Any,
) -> Tuple[Answer, float]: ...
