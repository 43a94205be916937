/* Boots, and never says a word. */
#include "guest.h"

int main(void)
{
    start_guest("silent");
    stay();
}
